import { afterEach, expect, it, vi } from "vitest";
import { areasOf, leftToOtherRuns } from "../file-turns.ts";
import { GROUPS, GROUPS_MAX, rowsOf, runRow } from "../groups.ts";
import { LONGEST } from "../longest-first.ts";
import { findTests, selectGroups, UnknownTestError } from "../selection.ts";

afterEach(() => vi.unstubAllEnvs());

const names = (...args: string[]) => selectGroups(args).map(({ name }) => name);

it("no argument selects every group", () => {
  expect(names()).toEqual(expect.arrayContaining(["types", "tidy", "unit", "contract", "e2e"]));
});

it("every test file is in a folder of a group", () => {
  const folders = GROUPS.flatMap((group) => group.folders ?? []);
  const all = findTests(".test.ts").files;
  const left = all.filter((path) => !folders.some((folder) => path.startsWith(`${folder}/`)));
  expect(left).toEqual([]);
});

it("of files that take turns a run judges one of each area, with R2K_TURNS=all each", () => {
  const files = findTests(".test.ts").files;
  const areas = [...areasOf(files).values()];
  const judgesAll = process.env["R2K_TURNS"] === "all";
  vi.stubEnv("R2K_TURNS", "");
  const left = leftToOtherRuns(files);
  for (const area of areas) expect(area.filter((file) => !left.includes(file))).toHaveLength(1);
  const inThisRun = GROUPS.flatMap(({ leftToOthers = [] }) => leftToOthers).sort();
  expect(inThisRun).toEqual(judgesAll ? [] : left.sort());
  expect(left.length).toBeGreaterThanOrEqual(areas.length);
  vi.stubEnv("R2K_TURNS", "all");
  expect(leftToOtherRuns(files)).toEqual([]);
});

it("the files that begin first are there", () => {
  const { files } = findTests(".test.ts");
  expect(LONGEST.filter((path) => !files.includes(path))).toEqual([]);
});

it("quick is types, tidy and unit; it and a group may stand together", () => {
  expect(names("quick")).toEqual(["types", "tidy", "unit"]);
  expect(names("labs", "quick")).toEqual(["types", "tidy", "unit", "labs"]);
});

it("a test file, a source file beside one and a folder select their tests", () => {
  const raft = ["store/core/raft.test.ts"];
  expect(findTests("store/core/raft.test.ts").files).toEqual(raft);
  expect(findTests("./store/core/raft.ts").files).toEqual(raft);
  expect(findTests("store/core/").files).toEqual(expect.arrayContaining(raft));
});

it("a module of cases selects the tests beside it that import it", () => {
  expect(findTests("test/e2e/drain.ts").files).toEqual(["test/e2e/commands.test.ts"]);
});

it("a part of a file's path selects all files that have it", () => {
  expect(findTests("tidy/select").files).toEqual(["test/tidy/selection.test.ts"]);
});

it("a part of a title selects the tests that have it", () => {
  const title = "a part of a title selects the tests that have it";
  expect(findTests(title)).toEqual({ files: ["test/tidy/selection.test.ts"], title });
});

it("an argument that finds no test is refused by name", () => {
  const absent = ["no such", "test"].join("-");
  expect(() => selectGroups(["unit", absent])).toThrow(UnknownTestError);
  expect(() => selectGroups([absent])).toThrow(absent);
});

const group = (name: string, beside = false) => {
  return { name, beside, run: () => Promise.reject(new Error("not run")) };
};

it("groups run beside the ones before them, or when all of these have ended", () => {
  const groups = [group("a"), group("b", true), group("c"), group("d", true)];
  const rows = rowsOf(groups).map((row) => row.map(({ name }) => name));
  expect(rows).toEqual([
    ["a", "b"],
    ["c", "d"],
  ]);
  expect(rowsOf([group("c", true)])).toHaveLength(1);
});

it("each end of a group begins the next of its row, and results keep the row's order", async () => {
  const row = Array.from({ length: GROUPS_MAX + 2 }, (_, at) => group(`${at}`));
  const ends: (() => void)[] = [];
  const begun: string[] = [];
  const ran = runRow(row, async ({ name }) => {
    begun.push(name);
    await new Promise<void>((resolve) => ends.push(resolve));
    return name;
  });
  await expect.poll(() => begun).toHaveLength(GROUPS_MAX);
  ends.pop()!();
  await expect.poll(() => begun).toHaveLength(GROUPS_MAX + 1);
  ends.pop()!();
  await expect.poll(() => begun).toHaveLength(GROUPS_MAX + 2);
  for (const end of ends) end();
  expect(begun).toEqual(row.map(({ name }) => name));
  expect(await ran).toEqual(begun);
});
