import { Agent } from "node:https";
import { pageAssets } from "@raft2kube/dashboard/build.ts";
import { linkAccess } from "@raft2kube/dashboard/server/link-access.ts";
import { serveDashboard } from "@raft2kube/dashboard/server/server.ts";
import { upstreamTo } from "@raft2kube/dashboard/server/upstream.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { Browser } from "../labs/testing/browser.ts";
import { ask } from "../testing/apiserver/ask.ts";
import { startApiserverOnEtcd } from "../testing/apiserver/own-apiserver.ts";
import { pss_mib } from "./apiserver/sides.ts";
import { type Benchmark, median, type Row } from "./benchmark.ts";

const PODS = 10_000;
const AT_ONCE = 16;
const ROUNDS = 5;
const LOOK = { scheme: "light", width: 1_280, height: 800 } as const;
/** Milliseconds from the start of the navigation to the first row in the document. */
const FIRST_ROW = `new Promise((resolve) => {
  const look = () => document.querySelector(".link")
    ? resolve(performance.now()) : requestAnimationFrame(look);
  look();
})`;
const ALL_ROWS = `new Promise((resolve) => {
  const look = () => Number(document.querySelector(".count")?.textContent) === ${PODS}
    ? resolve(performance.now()) : requestAnimationFrame(look);
  look();
})`;
/** Frames a second while the table is scrolled by twelve rows with each frame, for 300 frames. */
const SCROLL = `new Promise((resolve) => {
  const area = document.querySelector(".scroll");
  let [count, begun] = [0, performance.now()];
  const next = () => {
    area.scrollTop += 432;
    if (++count < 300) return requestAnimationFrame(next);
    resolve(count * 1_000 / (performance.now() - begun));
  };
  requestAnimationFrame(next);
})`;

/** The peer: its frames cost nothing, so that they are as many as the screen has. */
const EMPTY = "an empty page";
const EMPTY_PAGE =
  'data:text/html,<div class="scroll" style="height: 90vh; overflow: auto">' +
  `<div style="height: ${PODS * 36}px">`;

/** Memory of the process that has the page: the largest, beside those that are kept ready. */
async function memory_mib(browser: Browser): Promise<number> {
  return Math.max(...(await browser.renderers()).map(pss_mib));
}

/** The dashboard's list of 10,000 pods in Chromium: first rows, scrolling, memory. */
export const dashboard: Benchmark = async () => {
  const api = await startApiserverOnEtcd({});
  const admin = await api.credentials("admin", ["system:masters"]);
  const agent = new Agent({ keepAlive: true });
  const post = (path: string, body: object) =>
    ask(api, path, { ...admin, method: "POST", body, agent });
  const within = "/api/v1/namespaces/default";
  await post(`${within}/serviceaccounts`, { metadata: { name: "default" } });
  let made = 0;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (made < PODS) {
        const name = `pod-${String(made++).padStart(5, "0")}`;
        const spec = { containers: [{ name: "c", image: "i" }] };
        const { status, body } = await post(`${within}/pods`, { metadata: { name }, spec });
        if (status !== 201) throw new TypeError(`${name}: ${status} ${body}`);
      }
    }),
  );
  agent.destroy();
  process.stderr.write(`${PODS} pods are there\n`);
  const connection = { ...admin, server: api.server, ca: api.ca.cert };
  const upstream = upstreamTo(connection, systemClock());
  const server = await serveDashboard(linkAccess(upstream), await pageAssets(""));
  const browser = await Browser.start();
  const empty_mib = await memory_mib(browser);
  const url = `http://127.0.0.1:${server.port}/#kind=pods`;
  const [first, all, frames, most, heap, memory]: number[][] = [[], [], [], [], [], []];
  await browser.open(server.link, LOOK);
  // The link is used once the first list is there.
  await browser.evaluate(FIRST_ROW);
  for (let round = 0; round < ROUNDS; round++) {
    await browser.open(EMPTY_PAGE, LOOK);
    most!.push(await browser.evaluate<number>(SCROLL));
    // Once before it is measured: the time to start a process for it is not the page's.
    await browser.open(url, LOOK);
    await browser.open(url, LOOK);
    first!.push(await browser.evaluate<number>(FIRST_ROW));
    all!.push(await browser.evaluate<number>(ALL_ROWS));
    frames!.push(await browser.evaluate<number>(SCROLL));
    heap!.push((await browser.heapBytes()) / 2 ** 20);
    memory!.push(await memory_mib(browser));
  }
  await browser.close();
  await server.close();
  await api.close();
  process.stderr.write(`frames/s: ${frames!.join(" ")}; of an empty page: ${most!.join(" ")}\n`);
  const row = (
    what: string,
    unit: string,
    goal: string,
    values: number[],
    empty?: number,
  ): Row => ({
    what: `${PODS} pods, ${what}`,
    unit,
    goal,
    ours: Math.round(median(values)),
    ...(empty !== undefined && { peer: { name: EMPTY, value: Math.round(empty) } }),
  });
  return [
    row("first rows", "ms", "<= 500 ms", first!),
    row("all rows", "ms", "", all!),
    row("scrolling", "frames/s", ">= 60 frames/s", frames!, median(most!)),
    row("JavaScript's heap with all rows", "MiB", "", heap!),
    row("memory of its process with all rows", "MiB", "<= 200 MiB", memory!, empty_mib),
  ];
};
