import type { ChildProcess } from "node:child_process";
import { once } from "node:events";

/** Time between two packets of a connection that a program looks at. */
const TALK_MS = 200;

/**
 * Calls `talk` every TALK_MS until a program has ended, so that it has packets to show. Resolves
 * with its exit code.
 */
export async function talkBeside(child: ChildProcess, talk: () => void): Promise<number> {
  const timer = setInterval(talk, TALK_MS);
  const [code] = (await once(child, "close")) as [number | null];
  clearInterval(timer);
  return code ?? 1;
}
