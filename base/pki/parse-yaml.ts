import { parse } from "yaml";

/** Parses a kubeconfig that is not JSON; loaded when there is one. Throws yaml's own error. */
export const parseYaml = (text: string): unknown => parse(text);
