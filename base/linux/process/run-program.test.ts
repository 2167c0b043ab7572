import { expect, test, vi } from "vitest";
import { runProgram } from "./run-program.ts";

test("a program that takes too long is killed", async () => {
  const late = runProgram("sleep", ["infinity"], "", { timeout_ms: 1 });
  await expect(late).rejects.toMatchObject({ name: "ProgramError", code: "ABORT_ERR" });
});

test("a program without a limit of its own is killed after a minute", async () => {
  const soon = AbortSignal.timeout(1);
  const timeout = vi.spyOn(AbortSignal, "timeout").mockReturnValue(soon);
  try {
    const late = runProgram("sleep", ["infinity"], "");
    await expect(late).rejects.toMatchObject({ code: "ABORT_ERR" });
    expect(timeout).toHaveBeenCalledExactlyOnceWith(60_000);
  } finally {
    timeout.mockRestore();
  }
});

test.each([
  ["nowhere", "ENOENT"],
  ["kill -9 $$", "SIGKILL"],
  ["exit 1", "EXIT"],
])("a program that failed, `%s`, is an error with code %s", async (script, code) => {
  const [name, args] = code === "ENOENT" ? [script, []] : ["sh", ["-c", script]];
  await expect(runProgram(name, args, "")).rejects.toMatchObject({ code });
});
