import { goTags } from "@raft2kube/std/go-yaml.ts";
import { LineCounter, parseAllDocuments } from "yaml";
import { StaticPodError } from "./static-pod.ts";

/** Parses a file of one document: JSON, or YAML as Go reads it. Throws StaticPodError. */
export function parsePodFile(text: string, file: string): unknown {
  const lines = new LineCounter();
  const options = {
    version: "1.1",
    customTags: goTags,
    lineCounter: lines,
    prettyErrors: false,
  } as const;
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
