import { LineCounter, parseAllDocuments } from "yaml";
import { StaticPodError } from "./static-pod.ts";

/** Parses a file with one document, YAML or JSON. Throws StaticPodError. */
export function parsePodFile(text: string, file: string): unknown {
  const lines = new LineCounter();
  const options = { lineCounter: lines, prettyErrors: false };
  const [first, ...more] = [...parseAllDocuments(text, options)];
  if (!first || more.length > 0) {
    throw new StaticPodError("ONE_DOCUMENT", `${file} must hold one document`);
  }
  const [error] = first.errors;
  // The message would quote the line: it becomes an event, and the file may have a secret.
  if (error) {
    const { line } = lines.linePos(error.pos[0]);
    throw new StaticPodError("BAD_YAML", `${file}: line ${line}: ${error.code}`);
  }
  return first.toJS({ maxAliasCount: 100 });
}
