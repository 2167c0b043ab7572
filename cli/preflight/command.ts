import { execFile } from "node:child_process";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** A program tried for its answer is given up after this. */
const COMMAND_TIMEOUT_MS = 10_000;

export type Answer = { readonly succeeded: boolean; readonly output: string };

/** Runs a program without a shell; a failure is an answer, not an error. */
export function tryCommand(program: string, ...args: string[]): Promise<Answer> {
  return tryCommandFor(COMMAND_TIMEOUT_MS, program, ...args);
}

/** Runs a program as tryCommand does, with a time limit of its own. */
export async function tryCommandFor(
  timeout_ms: number,
  program: string,
  ...args: string[]
): Promise<Answer> {
  try {
    const { stdout, stderr } = await execute(program, args, { timeout: timeout_ms });
    return { succeeded: true, output: `${stdout}${stderr}`.trim() };
  } catch (thrown) {
    const { stderr, message } = thrown as { stderr?: string; message: string };
    return { succeeded: false, output: (stderr?.trim() || message).trim() };
  }
}

/**
 * Tries a script in network and mount namespaces of its own, so that nothing it makes stays.
 * The script is a constant of ours, never input.
 */
export function tryInNamespaces(script: string): Promise<Answer> {
  return tryCommand("unshare", "--net", "--mount", "sh", "-ec", script);
}
