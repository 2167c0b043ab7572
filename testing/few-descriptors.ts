import { spawnSync } from "node:child_process";

/**
 * Returns what a call is rejected with in a process that has used up its descriptors, or what the
 * process printed as it ended. The call, an expression, has the exports of a module as `module`.
 */
export function failureWithoutDescriptors(module: string, call: string): string {
  const script = `
    import { openSync, writeSync } from "node:fs";
    const module = await import(${JSON.stringify(module)});
    const isLeft = () => {
      try {
        return openSync("/dev/null") > 0;
      } catch (thrown) {
        return thrown.code !== "EMFILE";
      }
    };
    while (isLeft());
    const ended = ${call};
    writeSync(1, await ended.then(() => "no failure", String));
  `;
  const node = [process.execPath, "--input-type=module", "--eval", script];
  const { stdout, stderr } = spawnSync("prlimit", ["--nofile=64", ...node], { encoding: "utf8" });
  return stdout + stderr;
}
