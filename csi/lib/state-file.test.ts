import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { StateFile, type StateSchema } from "./state-file.ts";

type Counters = { readonly counts: Readonly<Record<string, number>> };

const schema: StateSchema<Counters> = {
  version: 1,
  empty: () => ({ counts: {} }),
  parse(data) {
    const counts = (data as { counts?: unknown }).counts;
    if (typeof counts !== "object" || counts === null) throw new Error("counts is missing");
    return { counts: counts as Record<string, number> };
  },
};

const add =
  (name: string) =>
  (state: Counters): Counters => ({
    counts: { ...state.counts, [name]: (state.counts[name] ?? 0) + 1 },
  });

describe("StateFile", () => {
  let directory: string;
  let file: string;

  beforeEach(async () => {
    directory = testFolder("r2k-state-");
    file = path.join(directory, "nested", "state.json");
  });

  it("is empty while its file is missing, and holds changes in the order made", async () => {
    const state = await StateFile.open(file, schema);
    await Promise.all(["a", "b", "a"].map((name) => state.change(add(name))));
    expect(state.current).toEqual({ counts: { a: 2, b: 1 } });
    expect((await StateFile.open(file, schema)).current).toEqual({ counts: { a: 2, b: 1 } });
  });

  it("keeps the earlier state when a change throws, and takes the next one", async () => {
    const state = await StateFile.open(file, schema);
    await state.change(add("a"));
    const refused = state.change(() => {
      throw new Error("refused");
    });
    await expect(refused).rejects.toThrow("refused");
    await state.change(add("a"));
    expect(state.current).toEqual({ counts: { a: 2 } });
  });

  it("ignores what a crash left beside the file before its rename", async () => {
    const state = await StateFile.open(file, schema);
    await state.change(add("a"));
    await writeFile(path.join(path.dirname(file), ".state.json.new"), '{"schemaVersion":1,"da');
    const reopened = await StateFile.open(file, schema);
    await reopened.change(add("b"));
    expect((await StateFile.open(file, schema)).current).toEqual({ counts: { a: 1, b: 1 } });
  });

  it("refuses a flipped byte, a cut file and another schema version, naming the file", async () => {
    const state = await StateFile.open(file, schema);
    await state.change(add("a"));
    const whole = await readFile(file, "utf8");
    const opens = () => StateFile.open(file, schema);

    await writeFile(file, whole.replace('"a": 1', '"a": 2'));
    await expect(opens()).rejects.toMatchObject({
      code: "STATE_DAMAGED",
      message: expect.stringContaining("checksum"),
    });
    await writeFile(file, whole.slice(0, whole.length / 2));
    await expect(opens()).rejects.toMatchObject({ code: "STATE_DAMAGED" });
    await writeFile(file, whole.replace('"schemaVersion": 1', '"schemaVersion": 2'));
    await expect(opens()).rejects.toMatchObject({ code: "STATE_VERSION" });
  });
});
