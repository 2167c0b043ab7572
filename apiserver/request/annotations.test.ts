import { configureLog } from "@raft2kube/observe/log.ts";
import { afterAll, expect, it } from "vitest";
import { AUDIT_ANNOTATIONS_MAX } from "../limits.ts";
import { AuditAnnotations } from "./annotations.ts";

afterAll(() => configureLog({}));

it("what is left out of an answer's annotations is one line of the log", () => {
  const lines: string[] = [];
  configureLog({ level: "warn", stream: { write: (line) => void lines.push(line) } });
  const annotations = new AuditAnnotations();
  const many = Array.from({ length: 10_000 }, (_item, index) => [`k${index}`, "v"]);
  annotations.addAll("hook.example.com", { ...Object.fromEntries(many), "not/valid": "v" });
  expect(annotations.get("hook.example.com/k255")).toBe("v");
  expect(annotations.get("hook.example.com/k256")).toBeUndefined();
  expect(lines.map((line) => JSON.parse(line) as object)).toEqual([
    expect.objectContaining({ of: "hook.example.com", count: 10_001 - AUDIT_ANNOTATIONS_MAX }),
  ]);
});
