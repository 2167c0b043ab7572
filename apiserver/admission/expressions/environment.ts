import {
  type AdmissionScope,
  environmentOf,
  NAMESPACE,
  PROVIDER,
  REQUEST,
} from "@raft2kube/api/admissionregistration/v1/environment.ts";
import type { Program } from "@raft2kube/cel/environment.ts";

export { type AdmissionScope, NAMESPACE, PROVIDER, REQUEST };

/** An expression, compiled once; `error` says why it cannot be. */
export interface Expression {
  readonly text: string;
  readonly program?: Program;
  readonly error?: string;
}

/** Compiles the expressions of a scope. */
export function compiler(scope: AdmissionScope): (text: string) => Expression {
  const environment = environmentOf(scope);
  return (text) => {
    const { program, errors } = environment.compile(text.trim());
    return program === undefined
      ? { text, error: `compilation failed: ${errors.message}` }
      : { text, program };
  };
}
