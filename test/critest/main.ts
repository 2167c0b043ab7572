// `npm run critest [-- PATTERN]`: cri-tools' tests of CRI runtimes (critest 1.36) on our runtime;
// with a PATTERN, those of its names alone.
//   --containerd   on Debian's containerd, to compare with
// Needs root, docker-registry, and `npm run peers -- critest`. The images come from a registry that
// serves what this machine has in their place. Writes results.txt or containerd.txt, and the output
// below .peers/critest.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildImage } from "@raft2kube/runtime/build/image-builder.ts";
import { pushImage } from "@raft2kube/runtime/image/push.ts";
import { ImageStore } from "@raft2kube/runtime/image/store.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { runProgram } from "../../cli/terminal.ts";
import type { Outcome } from "../conformance/record.ts";
import { report, runInto } from "../conformance/suite.ts";
import { containerdWith } from "../contract/cri/containerd.ts";
import { startDockerRegistry } from "../contract/cri/docker-registry.ts";
import { ours } from "../contract/cri/ours.ts";
import { createRuntimeHost, type RuntimeHost } from "../contract/cri/runtime-host.ts";
import { imagesOf } from "./images.ts";

const PEER = join(import.meta.dirname, "../../.peers/critest");
const DOMAINS = ["registry.k8s.io", "gcr.io", "k8s.gcr.io"];
export const RECORDS = {
  ours: join(import.meta.dirname, "results.txt"),
  containerd: join(import.meta.dirname, "containerd.txt"),
} as const;
export const HEADS = {
  ours: `# The last result of critest (cri-tools 1.36.0) on our runtime over crun, written by
# \`npm run critest\`.
# Under a test that does not pass stands, indented, why: write it there when it was examined.
`,
  containerd: `# The last result of critest (cri-tools 1.36.0) on Debian's containerd 1.6 over runc,
# written by \`npm run critest -- --containerd\`.
`,
} as const;

/** Adds the plugin of host ports to the network of the host. */
function addPortMap({ cniConfDir }: RuntimeHost): void {
  const file = join(cniConfDir, "10-pods.conflist");
  const network = JSON.parse(readFileSync(file, "utf8")) as { plugins: object[] };
  network.plugins.push({ type: "portmap", capabilities: { portMappings: true }, snat: true });
  writeFileSync(file, JSON.stringify(network));
}

/** Serves the images under their own names. Returns where, and what ends it. */
async function serveImages(dir: string) {
  const registry = await startDockerRegistry(join(dir, "registry"));
  const store = new ImageStore(join(dir, "sources"), () => []);
  await store.open();
  const url = `http://${registry.domain}`;
  const endpoints = Object.fromEntries(DOMAINS.map((domain) => [domain, url]));
  for (const recipe of await imagesOf(PEER)) {
    await buildImage(store, recipe);
    await pushImage(store, recipe.name, {
      clock: systemClock(),
      endpoints,
      progress: () => undefined,
    });
  }
  return { url, endpoints, stop: registry.stop };
}

async function critest(socket: string, pattern: string | undefined, file: string) {
  const args = [
    `-runtime-endpoint=unix://${socket}`,
    `-image-endpoint=unix://${socket}`,
    `-ginkgo.junit-report=${file}`,
    "-ginkgo.v",
    "-ginkgo.no-color",
    "-ginkgo.timeout=40m",
    ...(pattern === undefined ? [] : [`-ginkgo.focus=${pattern}`]),
  ];
  await runInto(join(PEER, "output.txt"), join(PEER, "critest"), args);
}

const OUTCOMES: Readonly<Record<string, Outcome>> = {
  passed: "passed",
  skipped: "skipped",
  failed: "failed",
  panicked: "failed",
  timedout: "timeout",
};
const CASE = /<testcase name="\[It\] ([^"]*)"[^>]* status="(\w+)" time="([\d.]+)"/g;
const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  "#34": '"',
  "#39": "'",
};

/** The results of a report of JUnit's form. */
export function readReport(xml: string): [name: string, outcome: Outcome, took_s: number][] {
  return [...xml.matchAll(CASE)].map(([, name = "", status = "", time]) => {
    const plain = name.replace(/&([#\w]+);/g, (whole, key: string) => ENTITIES[key] ?? whole);
    return [plain, OUTCOMES[status] ?? "lost", Number(time)];
  });
}

async function main(): Promise<void> {
  const options = { containerd: { type: "boolean", default: false } } as const;
  const { values, positionals } = parseArgs({ allowPositionals: true, options });
  if (!existsSync(join(PEER, "critest"))) {
    throw new CodedError("NO_PEER", "critest is not built", { remedy: "npm run peers -- critest" });
  }
  const which = values.containerd ? "containerd" : "ours";
  const host = createRuntimeHost();
  addPortMap(host);
  const { url, endpoints, stop } = await serveImages(host.dir);
  const runtime = values.containerd
    ? containerdWith(Object.fromEntries(DOMAINS.map((domain) => [domain, url])))
    : ours("crun", { registries: endpoints });
  const served = await runtime.start(host);
  const socket = join(host.dir, values.containerd ? "containerd.sock" : "cri.sock");
  try {
    const file = join(PEER, "report.xml");
    await critest(socket, positionals[0], file);
    const record = { file: RECORDS[which], head: HEADS[which] };
    for (const [name, outcome, took_s] of readReport(readFileSync(file, "utf8"))) {
      if (positionals.length > 0 && outcome === "skipped") continue;
      report(name, { outcome, commit: "-", took_s }, record);
    }
  } finally {
    await served.close();
    await stop();
    await host.close();
  }
}

if (import.meta.main) runProgram(main());
