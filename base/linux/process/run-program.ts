import { CodedError, codeOf, messageOf } from "@raft2kube/std/errors.ts";
import { inNetns } from "../namespace/netns.ts";
import { spawnProgram } from "./spawn.ts";

/**
 * A program could not be run (`code` is the errno's name), took too long (`ABORT_ERR`), was ended
 * by a signal (its name), or failed (`EXIT`).
 */
export class ProgramError extends CodedError {}

/** When a program is killed. With rules of 10,000 Services the longest takes seconds. */
const PROGRAM_MS_MAX = 60_000;
const OUTPUT_BYTES = 256 << 20;
const STDERR_BYTES = 16 << 10;

/**
 * Runs a program with `input` and resolves with its output. The child is born in the network
 * namespace at `netns`, by default in the one that this thread is in, and killed after
 * `timeout_ms`, or when it has written more than `output_bytes`. ProgramError, with its output, if
 * it fails: ends with none of `codes`.
 */
export function runProgram(
  name: string,
  args: readonly string[],
  input: string,
  {
    netns,
    timeout_ms = PROGRAM_MS_MAX,
    output_bytes = OUTPUT_BYTES,
    codes = [0],
  }: {
    netns?: string | undefined;
    timeout_ms?: number;
    output_bytes?: number;
    codes?: readonly number[];
  } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const onError = (thrown: Error) => {
      const said = `${name} cannot be run: ${messageOf(thrown)}`;
      reject(new ProgramError(codeOf(thrown) ?? "EXIT", said));
    };
    // Its timer keeps no process alive; that of spawn's `timeout` does if the program is missing.
    const signal = AbortSignal.timeout(timeout_ms);
    const born = () => spawnProgram(name, args).on("error", onError);
    const child = netns === undefined ? born() : inNetns(netns, born);
    const stop = () => child.kill("SIGKILL");
    signal.addEventListener("abort", stop, { once: true });
    const output: string[] = [];
    let size = 0;
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      size += text.length;
      if (size > output_bytes) child.kill("SIGKILL");
      else output.push(text);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (stderr.length < STDERR_BYTES) stderr += text;
    });
    child.stdin.end(input); // one that stops reading says why on stderr
    child.on("close", (status, by) => {
      signal.removeEventListener("abort", stop);
      if (status !== null && codes.includes(status)) return resolve(output.join(""));
      const text = stderr.trim() || `ended by ${by ?? `status ${status}`}`;
      const code = signal.aborted ? "ABORT_ERR" : (by ?? "EXIT");
      reject(new ProgramError(code, `${name} ${args.join(" ")}: ${text}`));
    });
  });
}
