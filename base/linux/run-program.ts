import { spawn } from "node:child_process";
import { CodedError, isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { inNetns } from "./netns.ts";

/** A program could not be run (`code` is the errno's name), or failed (`EXIT`). */
export class ProgramError extends CodedError {
  override readonly name = "ProgramError";
}

const OUTPUT_BYTES = 256 << 20;
const STDERR_BYTES = 16 << 10;

/**
 * Runs a program with `input` and resolves with its output. The child is born in the network
 * namespace at `netns`, by default in the one that this thread is in. ProgramError, with what it
 * said, if it fails.
 */
export function runProgram(
  name: string,
  args: readonly string[],
  input: string,
  { netns }: { netns?: string | undefined } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const onError = (thrown: Error) => {
      const code = isErrno(thrown, "ENOENT") ? "ENOENT" : "EXIT";
      reject(new ProgramError(code, `${name} cannot be run: ${messageOf(thrown)}`));
    };
    const born = () => spawn(name, args, { stdio: "pipe" }).on("error", onError);
    const child = netns === undefined ? born() : inNetns(netns, born);
    const output: string[] = [];
    let size = 0;
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      size += text.length;
      if (size > OUTPUT_BYTES) child.kill("SIGKILL");
      else output.push(text);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (stderr.length < STDERR_BYTES) stderr += text;
    });
    child.stdin.on("error", () => undefined); // one that stops reading says why on stderr
    child.stdin.end(input);
    child.on("close", (status, signal) => {
      if (status === 0) return resolve(output.join(""));
      const text = stderr.trim() || `ended by ${signal ?? `status ${status}`}`;
      reject(new ProgramError("EXIT", `${name} ${args.join(" ")}: ${text}`));
    });
  });
}
