import { spawn } from "node:child_process";

/**
 * Runs a program with its output on standard error; resolves with its exit code (1 on a signal).
 */
export function spawnVisible(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", 2, 2], env });
    child.on("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}
