import { parseAllDocuments } from "yaml";
import { StaticPodError } from "./static-pod.ts";

/** Parses a file with one document, YAML or JSON. Throws StaticPodError. */
export function parsePodFile(text: string, file: string): unknown {
  const [first, ...more] = [...parseAllDocuments(text)];
  if (!first || more.length > 0) {
    throw new StaticPodError("ONE_DOCUMENT", `${file} must hold one document`);
  }
  const [error] = first.errors;
  if (error) throw new StaticPodError("BAD_YAML", `${file}: ${error.message}`);
  return first.toJS({ maxAliasCount: 100 });
}
