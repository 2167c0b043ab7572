import { parse } from "yaml";

/** Parses a kubeconfig that is not JSON; loaded when there is one. Throws yaml's own error. */
export function parseYaml(text: string): unknown {
  return parse(text);
}
