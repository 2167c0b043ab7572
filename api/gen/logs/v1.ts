/** The types of logs.k8s.io/v1, made from facts by scripts/api-gen.ts. */

import type { IntOrString, Quantity } from "../../scalars.ts";

export interface FormatOptions {
  text?: TextOptions;
  json?: JSONOptions;
}

export type JSONOptions = OutputRoutingOptions;

export interface LoggingConfiguration {
  format?: string;
  flushFrequency: IntOrString;
  verbosity: VerbosityLevel;
  vmodule?: VModuleConfiguration;
  options?: FormatOptions;
}

export interface OutputRoutingOptions {
  splitStream?: boolean;
  infoBufferSize?: Quantity;
}

export type ReapplyHandlingType = number;

export type TextOptions = OutputRoutingOptions;

export type VModuleConfiguration = VModuleItem[];

export interface VModuleItem {
  filePattern: string;
  verbosity: VerbosityLevel;
}

export type VerbosityLevel = number;
