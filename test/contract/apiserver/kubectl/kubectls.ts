import { existsSync } from "node:fs";
import { join } from "node:path";
import { kubectl120 } from "../../../e2e/kubectl-1.20.ts";

const NEWEST = join(import.meta.dirname, "../../../../.peers/bin/kubectl");

/** A kubectl that scripts are played with. */
export interface Kubectl {
  /** The version, which also names the folder of its recordings. */
  readonly version: string;
  /** Whether it is on this machine, or can be had without Go. */
  readonly present: boolean;
  /** The program's path. */
  program(): Promise<string>;
}

export const KUBECTLS: readonly Kubectl[] = [
  { version: "1.36", present: existsSync(NEWEST), program: () => Promise.resolve(NEWEST) },
  { version: "1.20", present: true, program: kubectl120 },
];
