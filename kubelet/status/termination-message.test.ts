import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { leaseOn } from "../../testing/lease.ts";
import {
  TERMINATION_FILE_ANNOTATION,
  TERMINATION_POLICY_ANNOTATION,
} from "../containers/container-config.ts";
import type { ObservedContainer } from "../cri/observed.ts";
import { terminationMessage } from "./termination-message.ts";

/** Returns the message of a container that failed, with this file and this log. */
function messageOf(file: string, log: string): Promise<string> {
  const dir = testFolder("r2k-message-");
  const logPath = join(dir, "n_p_u/c/0.log");
  mkdirSync(join(dir, "n_p_u/c"), { recursive: true });
  writeFileSync(join(dir, "message"), file);
  writeFileSync(logPath, log);
  const annotations = {
    [TERMINATION_FILE_ANNOTATION]: join(dir, "message"),
    [TERMINATION_POLICY_ANNOTATION]: "FallbackToLogsOnError",
  };
  const ended: Partial<ObservedContainer> = { annotations, exitCode: 1, logPath };
  return terminationMessage(ended as ObservedContainer, dir);
}

const lineOf = (text: string, tag = "F") =>
  `2026-01-01T00:00:00.000000000Z stderr ${tag} ${text}\n`;

// Facts of upstream's getTerminationMessage and readLastStringFromContainerLogs.
test.each([
  ["the end of the file", `${"a".repeat(5_000)}why`, "", `${"a".repeat(4_093)}why`],
  ["the log's lines without a file", "", lineOf("one") + lineOf("two"), "one\ntwo\n"],
  ["80 lines", "", lineOf("x").repeat(99), "x\n".repeat(80)],
  ["a line in parts", "", lineOf("on", "P") + lineOf("e"), "one\n"],
  ["the end of a long line", "", lineOf(`${"a".repeat(9_000)}z`), `${"a".repeat(2_046)}z\n`],
])("a failed container's message is %s", async (_, file, log, message) => {
  expect(await messageOf(file, log)).toBe(message);
});

test("a file on which a program of the pod has a lease is not waited for", async () => {
  const file = join(testFolder("r2k-message-"), "message");
  writeFileSync(file, "why");
  using _ = leaseOn(file);
  const ended = { annotations: { [TERMINATION_FILE_ANNOTATION]: file }, exitCode: 1 };
  expect(await terminationMessage(ended as unknown as ObservedContainer, "")).toBe("");
});
