// In a process of its own: a part bounds the work of OpenSSL in its process for good.
import { expect, test, vi } from "vitest";
import { isNamed } from "./apiserver.ts";
import { runPart, startTogether } from "./run-part.ts";

test.each(["SIGTERM", "SIGINT"] as const)(
  "%s ends a part that still waits for others",
  (signal) => {
    const before = process.listeners(signal);
    const ended = new Error("ended");
    const exit = vi.spyOn(process, "exit").mockImplementation(() => {
      throw ended;
    });
    void runPart("waiting", () => new Promise(() => undefined));
    const [listener] = process.listeners(signal).filter((each) => !before.includes(each));
    expect(() => listener?.(signal)).toThrow(ended);
    expect(exit).toHaveBeenCalledWith(130);
    exit.mockRestore();
  },
);

test("parts that start together end in the opposite order, also where one does not start", async () => {
  const ended: string[] = [];
  const part = (name: string) => ({ close: async () => void ended.push(name) });
  const started = await startTogether(async (parts) => {
    for (const name of ["store", "server", "controllers"]) parts.keep(name, part(name));
  });
  expect(ended).toEqual([]);
  await started.close();
  expect(ended).toEqual(["controllers", "server", "store"]);
  const failed = startTogether(async (parts) => {
    parts.keep("kept", part("kept"));
    throw new Error("the next one");
  });
  await expect(failed).rejects.toThrow("the next one");
  expect(ended.at(-1)).toBe("kept");
});

test("an API server uses the store of its process only where its flag names that one", () => {
  const own = ["https://127.0.0.1:2379", "https://10.0.0.1:2379"];
  expect(isNamed(["https://10.0.0.9:2379", "https://10.0.0.1:2379/"], own)).toBe(true);
  expect(isNamed(["https://10.0.0.9:2379"], own)).toBe(false);
  expect(isNamed(own, undefined)).toBe(false);
});
