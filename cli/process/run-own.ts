import { spawn } from "node:child_process";
import { messageOf } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";

/**
 * Runs this program once more, with other words; resolves at its end with what it said. `signal`
 * ends it.
 */
export async function runOwn(
  words: readonly string[],
  signal?: AbortSignal,
): Promise<{ succeeded: boolean; said: string }> {
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...words], {
    stdio: ["ignore", "inherit", "pipe"],
    ...given({ signal }),
  });
  let said = "";
  child.on("error", (error) => (said += messageOf(error)));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { succeeded: code === 0, said: said.trim() };
}
