import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { findLab } from "./manifest.ts";
import { ownDigest, ownTree } from "./own-tree.ts";
import { labsOfPart, programsOf, refuseUnjudged, standingOf, usableOf } from "./parts.ts";
import type { LabProgress, LabState } from "./state.ts";
import { cacheFolder, writeReference } from "./workspace.ts";

const lab = findLab("2");
const before = process.env["R2K_LABS"];
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(cacheFolder(), "labs-parts-"));
  process.env["R2K_LABS"] = folder;
});
afterAll(() => {
  rmSync(folder, { recursive: true });
  if (before === undefined) delete process.env["R2K_LABS"];
  else process.env["R2K_LABS"] = before;
});

function stateWith(progress: Partial<LabProgress>): LabState {
  const started = { startedAt: "then", use: "own" as const, ...progress };
  return { formatVersion: 1, labs: { [lab.number]: started } };
}

it("a pass holds for the files that passed: a later change is refused, unless --anyway", () => {
  writeReference(lab, ownTree(lab.number));
  const passed = stateWith({ passedAt: "then", passedDigest: ownDigest(lab) });
  expect(usableOf([lab], passed, false)).toEqual([lab]);
  refuseUnjudged(passed);
  appendFileSync(join(ownTree(lab.number), lab.files[0]!), "// later\n");
  expect(standingOf(lab, passed)).toBe("changed");
  expect(() => usableOf([lab], passed, false)).toThrow(/lab 02 has changed since it passed/);
  expect(() => refuseUnjudged(passed)).toThrow(/lab 02 has changed since it passed/);
  expect(usableOf([lab], passed, true)).toEqual([lab]);
  const { labs } = passed;
  refuseUnjudged({ ...passed, labs: { "02": { ...labs["02"]!, anyway: true } } });
});

it("a pass without a digest is one of unknown files", () => {
  const older = stateWith({ passedAt: "then" });
  expect(() => usableOf([lab], older, false)).toThrow(/has changed since it passed/);
});

it("what has not passed is not used, and not even started there is nothing to use anyway", () => {
  expect(() => usableOf([lab], stateWith({}), false)).toThrow(/none has passed/);
  const none: LabState = { formatVersion: 1, labs: {} };
  expect(() => usableOf([lab], none, true)).toThrow(/none has passed/);
});

it("a number without its letter means all parts of the lab", () => {
  expect(labsOfPart("7").map(({ number }) => number)).toEqual(["07a", "07b", "07c"]);
  expect(labsOfPart("1").map(({ number }) => number)).toEqual(["01"]);
  expect(labsOfPart("7b").map(({ number }) => number)).toEqual(["07b"]);
  expect(labsOfPart("proxy").map(({ number }) => number)).toEqual(["14a", "14b", "14c"]);
  expect(labsOfPart("14/nftables").map(({ number }) => number)).toEqual(["14b"]);
  expect(() => labsOfPart("13/nftables")).toThrow(/neither a lab nor a part/);
});

it("names the programs that run a part", () => {
  const named = ["2", "core", "7a", "18", "all"].map((part) => programsOf(labsOfPart(part)));
  const store = "./r2k store, or npm start";
  const device = "./r2k device-gpu, beside a cluster";
  expect(named).toEqual([store, store, "npm start", device, "npm start"]);
});
