import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findLab, readLabs } from "../runner/manifest.ts";
import { ROOT_DIR } from "../runner/paths.ts";
import { cacheFolder, writeReference, writeSkeletons } from "../runner/workspace.ts";
import { buildSite } from "../site/build.ts";
import { Browser } from "../testing/browser.ts";
import { replayHtml } from "./html.ts";
import { makeReplay } from "./make.ts";
import type { Replay } from "./recording.ts";
import { PageServer } from "./serve.ts";

// Takes turns, what readers use: the files play it, here pages in a browser, in commands.test.ts
// `r2k lab`, in runner/keys.test.ts and runner/editor.test.ts the keys and the files of a lab.

const CASE = "a member that was disconnected does not disrupt the cluster";
const MISTAKE = "campaigns without a pre-vote";
const DESK = { scheme: "light", width: 1_400, height: 1_000 } as const;
const PHONE = { scheme: "dark", width: 390, height: 844 } as const;

const scratch = mkdtempSync(join(cacheFolder(), "labs-page-"));
let browser: Browser;
let replay: Replay;
let url: string;

beforeAll(async () => {
  browser = await Browser.start();
  const lab = findLab("3");
  const mistake = lab.mutants.find(({ name }) => name === MISTAKE);
  writeReference(lab, join(scratch, "tree"), mistake!);
  const trees = [join(scratch, "tree")];
  replay = await makeReplay(lab, { trees, only: CASE, source: "planted", again: "3 --planted 8" });
  const path = join(scratch, "replay.html");
  writeFileSync(path, await replayHtml(replay));
  url = pathToFileURL(path).href;
});

afterAll(async () => {
  await browser.close();
  rmSync(scratch, { recursive: true });
});

/** Returns the texts of the page's elements. */
const textOf = (selector: string) => {
  const found = `document.querySelector(${JSON.stringify(selector)})`;
  return browser.evaluate<string>(`${found}.textContent`);
};
const count = (selector: string) => {
  return browser.evaluate<number>(`document.querySelectorAll(${JSON.stringify(selector)}).length`);
};

describe("the replay page", () => {
  it("names no other host or file: it is one file that needs no network", async () => {
    const html = await replayHtml(replay);
    expect(html.match(/<script>|<style>/g)).toEqual(["<style>", "<script>"]);
    expect(html).not.toMatch(/\b(src|href)\s*=\s*["'](?!data:)|@import|url\((?!#)/);
  });

  it("shows members, terms, logs, the failure, and where the runs part", async () => {
    await browser.open(url, DESK);
    expect(await count(".timeline .name")).toBe(3);
    expect(await count(".state")).toBe(3);
    expect(await textOf(".verdict.failed")).toContain("disconnected for five seconds");
    expect(await textOf(".verdict.parting")).toContain("vote?");
    expect(await count(".band.role-leader")).toBeGreaterThan(0);
    expect(await count(".timer.area")).toBeGreaterThan(0);
    expect(await count(".message.vote")).toBeGreaterThan(0);
    expect(browser.errors).toEqual([]);
  });

  it("begins at the first deviation, steps with the arrows, and returns to it with D", async () => {
    await browser.open(url, DESK);
    const at = `${replay.cases[0]!.deviation!.at.toFixed(1)} ms`;
    const now = () => textOf(".now text");
    const press = (key: string) => {
      return browser.evaluate(`dispatchEvent(new KeyboardEvent("keydown", { key: "${key}" }))`);
    };
    expect(await now()).toBe(at);
    await press("ArrowRight");
    expect(await now()).not.toBe(at);
    await press("End");
    expect(await now()).toBe(`${replay.cases[0]!.own.end.toFixed(1)} ms`);
    await press("d");
    expect(await now()).toBe(at);
  });

  it("draws nothing with a negative width, and begins and ends at the stage's sides", async () => {
    await browser.open(`${url}#at=0`, { ...DESK, width: 640 });
    const rects = `[...document.querySelectorAll("rect")]`;
    const negative = `${rects}.filter((e) => Number(e.getAttribute("width")) < 0).length`;
    expect(await browser.evaluate(negative)).toBe(0);
    const edge = (side: string, pick: string) =>
      browser.evaluate<number>(
        `Math.${pick}(...[...document.querySelectorAll(".timeline .band rect")]
        .map((e) => e.getBoundingClientRect().${side}))`,
      );
    const stage = await browser.evaluate<number>(
      `document.querySelector(".timeline").getBoundingClientRect().right`,
    );
    expect(await edge("left", "min")).toBeLessThan(stage / 2);
    await browser.evaluate(`dispatchEvent(new KeyboardEvent("keydown", { key: "End" }))`);
    expect(await edge("right", "max")).toBeGreaterThan(stage - 60);
  });

  it("plays to the end, and stops there", async () => {
    await browser.open(`${url}#at=${replay.cases[0]!.own.end - 60}`, DESK);
    await browser.evaluate(`document.querySelector(".play").click()`);
    const end = `${replay.cases[0]!.own.end.toFixed(1)} ms`;
    const ended = async () => (await textOf(".now text")) === end;
    await waitFor("the end of the recording", ended, { clock: systemClock(), timeout_ms: 20_000 });
    expect(await count("[data-icon=play]")).toBe(1);
  });

  it("shows the reference's run of the same seed at the same time", async () => {
    await browser.open(`${url}#view=reference`, DESK);
    const state = () => textOf(".states");
    const reference = await state();
    await browser.evaluate(`document.querySelector(".settings button:nth-child(2)").click()`);
    expect(await state()).not.toBe(reference);
  });

  it("is dark where the reader's system is, and fits a phone", async () => {
    const ground = () => {
      return browser.evaluate<string>("getComputedStyle(document.body).backgroundColor");
    };
    await browser.open(url, DESK);
    const light = await ground();
    await browser.open(url, PHONE);
    expect(await ground()).not.toBe(light);
    const [page, window] = await browser.evaluate<[number, number]>(
      "[document.documentElement.scrollWidth, innerWidth]",
    );
    expect(page).toBeLessThanOrEqual(window);
  });

  it("is loaded again when a newer one is served", async () => {
    const pages = await PageServer.listen(0);
    const page = await replayHtml(replay);
    pages.publish(page);
    await browser.open(pages.url, DESK);
    const title = () => browser.evaluate<string>("document.title");
    const changed = async () => {
      pages.publish(page.replace("<title>", "<title>newer "));
      return (await title()).startsWith("newer");
    };
    await waitFor("the newer page", changed, { clock: systemClock() });
    // A page whose server has gone reports its lost connection.
    await browser.open("about:blank", DESK);
    await pages.close();
  });
});

it("shows the reference's run where nothing is written yet", async () => {
  const lab = findLab("3");
  writeSkeletons(lab, join(scratch, "skeleton"));
  const trees = [join(scratch, "skeleton")];
  const empty = await makeReplay(lab, { trees, only: CASE, source: "your part", again: "3" });
  const path = join(scratch, "skeleton.html");
  writeFileSync(path, await replayHtml(empty));
  await browser.open(pathToFileURL(path).href, DESK);
  expect(await textOf(".verdict.failed")).toContain("is not written yet");
  expect(await count(".state")).toBe(3);
  expect(await count(".band.role-leader")).toBeGreaterThan(0);
});

const RECORDED = readLabs().filter(({ replay: recorded }) => recorded !== undefined);

describe("every lab's own cases", () => {
  it.each(RECORDED.map((lab) => [lab.number, lab] as const))(
    "lab %s: the reference keeps every promise, and the page shows it",
    async (number, lab) => {
      const again = `${number} --reference`;
      const recorded = await makeReplay(lab, { trees: [], source: "the reference", again });
      const titles = recorded.cases.map(({ title }) => title);
      const named = Object.keys(lab.replay!.cases ?? {});
      expect(
        named.filter((title) => !titles.includes(title)),
        "named in lab.yaml",
      ).toEqual([]);
      const failures = recorded.cases.map(({ title, own }) => [title, own.failure]);
      expect(failures.filter(([, failure]) => failure !== undefined)).toEqual([]);
      expect(recorded.cases.every(({ own }) => own.events.length > 10)).toBe(true);
      const path = join(scratch, `${number}.html`);
      writeFileSync(path, await replayHtml(recorded));
      await browser.open(pathToFileURL(path).href, DESK);
      expect(await count(".state")).toBe(recorded.cases[0]!.own.tracks.length);
      expect(browser.errors).toEqual([]);
    },
  );
});

describe("the labs' site", () => {
  it("has all labs, links that lead to its pages, and fits a phone", async () => {
    const out = join(scratch, "site");
    const labs = readLabs();
    const passed = { startedAt: "1999", passedAt: "2000", use: "reference" } as const;
    const state = { formatVersion: 1, labs: { "08": passed } } as const;
    const pages = await buildSite({ out, labs, state, replays: false });
    expect(pages).toHaveLength(labs.length + 2);
    for (const page of pages) {
      await browser.open(pathToFileURL(page).href, PHONE);
      const links = await browser.evaluate<string[]>(
        `[...document.querySelectorAll("a")].map(({ href }) => href.split("#")[0])`,
      );
      const own = pages.map((path) => pathToFileURL(path).href);
      const foreign = links.filter((link) => link.startsWith("file:") && !own.includes(link));
      expect(foreign, page).toEqual([]);
      const [width, window] = await browser.evaluate<[number, number]>(
        "[document.documentElement.scrollWidth, innerWidth]",
      );
      expect(width, page).toBeLessThanOrEqual(window);
    }
    const url = (name: string) => pathToFileURL(join(out, name)).href;
    await browser.open(url("08-controllers.html"), { ...DESK, width: 1_280 });
    expect(await textOf(".about")).toMatch(
      /^The cluster, 5 of \d+ · 3 h · builds on 07a · ✓ passed$/,
    );
    expect(await textOf("nav")).toMatch(/← 07a\s+09 →/);
    const glossary = `document.querySelector("main a[href='glossary.html']") !== null`;
    expect(await browser.evaluate(glossary)).toBe(true);
    await browser.open(url("index.html"), DESK);
    await browser.evaluate(
      `search.value = "expectations"; search.dispatchEvent(new Event("input"))`,
    );
    expect(await textOf("#found")).toContain("Lab 08");
    // Pictures are shown whole on an ordinary window.
    await browser.open(url("01-container-by-hand.html"), { ...DESK, width: 1_280 });
    const all = `[...document.querySelectorAll("pre")]`;
    const cut = `${all}.filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.textContent)`;
    expect(await browser.evaluate(cut)).toEqual([]);
    expect(browser.errors).toEqual([]);
  });
});

it("the page's sources type-check with the browser's types", async () => {
  const tsc = join(ROOT_DIR, "node_modules/.bin/tsc");
  const project = join(ROOT_DIR, "labs/replay/page/tsconfig.json");
  const checked = promisify(execFile)(process.execPath, [tsc, "--noEmit", "--project", project]);
  const said = await checked.catch((failure: { stdout: string }) => failure);
  expect(said.stdout).toBe("");
});
