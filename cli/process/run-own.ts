import { spawn } from "node:child_process";
import { messageOf } from "@raft2kube/std/errors.ts";

/** Runs this program once more, with other words; resolves at its end with what it said. */
export async function runOwn(...words: string[]): Promise<{ succeeded: boolean; said: string }> {
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...words], {
    stdio: ["ignore", "inherit", "pipe"],
  });
  let said = "";
  child.on("error", (error) => (said += messageOf(error)));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { succeeded: code === 0, said: said.trim() };
}
