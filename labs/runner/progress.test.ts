import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { bodiesOf } from "./cut.ts";
import { GRADES, hintTotals, nextHint } from "./hints.ts";
import { PATH_NAMES, readLabs } from "./manifest.ts";
import { LABS_DIR, ROOT_DIR } from "./paths.ts";
import { pathLines, pathOf, pathTables } from "./paths-of-labs.ts";
import { assembledPicture, clusterPicture, LEGEND } from "./picture.ts";
import { nextLab, progressBar } from "./progress.ts";
import type { LabProgress, LabState } from "./state.ts";

const labs = readLabs();
const exercises = labs.filter(({ files, walk }) => files.length > 0 || walk !== undefined);
const lab = labs.find(({ number }) => number === "02")!;

function stateOf(labsOf: Record<string, Partial<LabProgress>>): LabState {
  const started = Object.entries(labsOf).map(([number, progress]) => {
    return [number, { startedAt: `2000-01-${number}`, use: "reference", ...progress }] as const;
  });
  return { formatVersion: 1, labs: Object.fromEntries(started) };
}

const numberOf = (state: LabState) => {
  const next = nextLab(labs, state);
  return next && `${next.lab.number}${next.isStarted ? " started" : ""}`;
};

it("next is the first lab of the reader's path that is started, else the first that is not", () => {
  expect(numberOf(stateOf({}))).toBe("00");
  expect(numberOf(stateOf({ "02": {} }))).toBe("02 started");
  expect(numberOf(stateOf({ "02": { passedAt: "x" } }))).toBe("03");
  expect(numberOf(stateOf({ "02": {}, "05": {} }))).toBe("02 started");
  const store = pathOf(labs, "store").map(({ number }) => [number, { passedAt: "x" }] as const);
  const [chaos] = store.at(-1)!;
  expect(numberOf(stateOf(Object.fromEntries(store.slice(0, -1))))).toBe(chaos);
  expect(numberOf(stateOf({ "01": { passedAt: "x" } }))).toBe("01b");
  // On the path of the cluster its labs come first, in their order.
  const images = { "01": { passedAt: "x" }, "01b": { passedAt: "x" } };
  expect(numberOf(stateOf(images))).toBe("07a");
  expect(numberOf(stateOf({ ...images, "07a": { passedAt: "x" } }))).toBe("08");
  const passed = exercises.map(({ number }) => [number, { passedAt: "x" }] as const);
  expect(numberOf(stateOf(Object.fromEntries(passed)))).toBeUndefined();
});

it("each place of a path is taken once, and what a lab builds on comes before it", () => {
  for (const path of PATH_NAMES) {
    const on = pathOf(labs, path);
    const own = on.filter((each) => each.path === path);
    expect(
      own.map(({ place }) => place),
      path,
    ).toEqual(own.map((_, i) => i));
    expect(on.slice(0, own.length), path).toEqual(own);
    for (const [i, { number, after }] of on.entries()) {
      const later = on.slice(i).map((lab) => lab.number);
      expect(
        after.filter((each) => later.includes(each)),
        number,
      ).toEqual([]);
      const known = labs.map((lab) => lab.number);
      expect(
        after.filter((each) => !known.includes(each)),
        number,
      ).toEqual([]);
    }
  }
});

it("the first page, the list and next have the paths of the labs' data", () => {
  const page = readFileSync(join(LABS_DIR, "README.md"), "utf8");
  expect(page).toContain(pathTables(labs));
  const lines = pathLines(labs, stateOf({}));
  const listed = lines.flatMap((line) => /^ {2}(\w+) /.exec(line)?.[1] ?? []);
  expect(listed).toEqual(PATH_NAMES.flatMap((path) => pathOf(labs, path)).map((lab) => lab.number));
  let state = stateOf({ "01": { passedAt: "x" } });
  const order: string[] = [];
  for (let next = nextLab(labs, state); next; next = nextLab(labs, state)) {
    order.push(next.lab.number);
    state = stateOf({ ...state.labs, [next.lab.number]: { passedAt: "x", startedAt: "1999" } });
  }
  // A page with commands alone, such as 00 and 19, is read, and never passed.
  const judged = exercises.map(({ number }) => number).filter((number) => number !== "01");
  expect(order).toEqual([...new Set(listed)].filter((number) => judged.includes(number)));
});

it("progress counts the labs that have passed", () => {
  const of = exercises.length;
  expect(progressBar(labs, stateOf({ "02": { passedAt: "x" } }))).toContain(` 1 of ${of} labs`);
  expect(progressBar(labs, stateOf({}))).toMatch(/^░{20} 0 of/);
});

it("the picture shows the parts that have a lab, that have passed, and that run", () => {
  const picture = clusterPicture(labs, stateOf({ "02": { use: "own" }, "03": { passedAt: "x" } }));
  expect(picture).toContain("write-ahead log ■ 02");
  expect(picture).toContain("election ✓ 03");
  expect(picture).toContain("replication ○ 04");
  expect(picture).toContain("DNS ○ 15");
  for (const progress of [{ use: "own" }, { passedAt: "x" }] as const) {
    expect(clusterPicture(labs, stateOf({ "01": progress }))).toContain("containers ◐ 01");
  }
});

it("the picture of a running cluster shows whose its parts are", () => {
  const numbers = labs.filter(({ files }) => files.length > 0).map(({ number }) => number);
  const whole = assembledPicture(labs, numbers).join("\n");
  expect(whole).toContain("Every part that has a lab is yours.");
  expect(whole).not.toMatch(/○ \d/);
  const without = assembledPicture(
    labs,
    numbers.filter((number) => number !== "11"),
  ).join("\n");
  expect(without).toContain(`${LEGEND}\n The reference's: 11.`);
  expect(without).toContain("kubelet ○ 11");
});

it("the first page has the picture of today", () => {
  const page = readFileSync(join(LABS_DIR, "README.md"), "utf8");
  expect(page).toContain(`${clusterPicture(labs, stateOf({}))}\n\n ${LEGEND}\n`);
});

it("each hint is a question, then a direction, then parts, then a shape of code", () => {
  const topics = lab.hints.map((hint) => hint.for);
  let counts = {};
  for (const topic of topics) {
    for (const grade of GRADES) {
      const hint = nextHint(lab, counts);
      expect([hint.topic, hint.place]).toEqual([topic, expect.stringContaining(grade)]);
      counts = hint.counts;
    }
  }
  expect(hintTotals(lab, counts)).toEqual({ shown: topics.length * 4, of: topics.length * 4 });
  expect(nextHint(lab, counts).topic).toBe(topics.at(-1));
});

it("a hint is asked for by its topic, and an unknown topic names those there are", () => {
  const { for: topic } = lab.hints.at(-1)!;
  expect(nextHint(lab, {}, topic).topic).toBe(topic);
  expect(nextHint(lab, {}, `#${topic}`).topic).toBe(topic);
  const { place } = nextHint(lab, { [topic]: GRADES.length }, topic);
  expect(place).toBe("shape, 4 of 4, again: the last");
  expect(nextHint(lab, { [topic]: 1 }, topic).place).toContain("direction");
  expect(() => nextHint(lab, {}, "no such")).toThrow(/no hint for "no such"/);
});

it("every hint of every lab has its grades, and questions ask", () => {
  for (const lab of labs) {
    const { number, hints } = lab;
    for (const hint of hints) {
      for (const shown of GRADES.keys()) {
        const { text } = nextHint(lab, { [hint.for]: shown }, hint.for);
        expect(text, `${number} ${hint.for}`).not.toMatch(/^$|no body/);
      }
      expect(hint.question.trim(), `lab ${number}, ${hint.for}`).toMatch(/\?$/);
    }
    const topics = hints.map((hint) => hint.for);
    expect(new Set(topics).size, `lab ${number}: topics`).toBe(topics.length);
  }
});

it("each body that a reader writes has a hint under its name", () => {
  const missing = labs.flatMap(({ number, files, hints }) => {
    const bodies = files.flatMap((file) => {
      return bodiesOf(readFileSync(join(ROOT_DIR, file), "utf8"), number, file);
    });
    return bodies.filter((name) => !hints.some((hint) => hint.for.includes(name)));
  });
  expect(missing).toEqual([]);
});
