import { EventEmitter } from "node:events";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { printable } from "@raft2kube/std/printable.ts";
import { expect, test, vi } from "vitest";
import { outliveReader, printResult, reportFailure, table, terminalProgress } from "./terminal.ts";

test("what others wrote does not act on the terminal", () => {
  const titled = "a\u001b]0;title\u0007b\u009b31mc\rd";
  expect(printable(titled)).toBe("a\\x1b]0;title\\x07b\\x9b31mc\\x0dd");
  expect(printable("größe\n\tβ 😀")).toBe("größe\n\tβ 😀");
  expect(printable("a\u202eb\u200bc\u2028d")).toBe("a\\u202eb\\u200bc\\u2028d");
  const written = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  try {
    reportFailure(new Error(titled));
    expect(written).toHaveBeenCalledWith(`r2k: ${printable(titled)}\n`);
    terminalProgress(new ManualClock()).note(titled);
    expect(written).toHaveBeenLastCalledWith(`${printable(titled)}\n`);
  } finally {
    written.mockRestore();
  }
});

test("JSON of what others wrote does not act on the terminal, and is the same JSON", () => {
  const texts = ["a\u009b31m\u007f", "a\u202eb", "\u{e0041}", "größe\n\tβ 😀"];
  const written = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  let shown = "";
  try {
    printResult("json", texts, () => "");
    shown = String(written.mock.calls[0]![0]);
  } finally {
    written.mockRestore();
  }
  expect(shown).toBe(`["a\\u009b31m\\u007f","a\\u202eb","\\udb40\\udc41","größe\\n\\tβ 😀"]\n`);
  expect(JSON.parse(shown)).toEqual(texts);
});

test("what a node wrote starts no line of a table, and does not act on the terminal", () => {
  const rows = ["v1.36.0\n[upgrade] SUCCESS!", "\u001b]0;owned\u0007", "x".repeat(10_000)];
  const lines = table([["NODE", "CURRENT"], ...rows.map((each, at) => [`n${at}`, each])]);
  expect(lines.replace(/x+$/, "")).toBe(
    "NODE  CURRENT\nn0    v1.36.0 [upgrade] SUCCESS!\nn1    \\x1b]0;owned\\x07\nn2    ",
  );
  expect(lines.length).toBeLessThan(1_000);
});

test.each(["EPIPE", "EIO"])("a command outlives its output's %s, and no other failure", (code) => {
  const output = new EventEmitter();
  outliveReader(output);
  output.emit("error", Object.assign(new Error(`write ${code}`), { code }));
  const full = Object.assign(new Error("write ENOSPC"), { code: "ENOSPC" });
  expect(() => output.emit("error", full)).toThrow(full);
});
