import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { makeBase, makeImages } from "./images.ts";
import { NEVER_RUN } from "./limits.ts";
import { runScript, say } from "./suite.ts";

const ROOT = join(import.meta.dirname, "../..");
const OWN = join(ROOT, ".peers/conformance");

/** Where programs, images and logs are; none of it is committed. */
export const PLACES = {
  e2e: join(OWN, "e2e.test"),
  kubectl: join(OWN, "kubectl"),
  agnhost: join(OWN, "agnhost"),
  nonewprivs: join(OWN, "nonewprivs"),
  resourceConsumer: join(OWN, "resource-consumer"),
  consumeCpu: join(OWN, "consume-cpu"),
  sampleApiserver: join(OWN, "sample-apiserver"),
  etcd: join(OWN, "etcd"),
  base: join(OWN, "base.tar"),
  images: join(OWN, "images.tar"),
  logs: join(OWN, "logs"),
};

/** Builds upstream's programs where they are missing: 11 minutes on two processors. */
export function buildPrograms(): void {
  const { base: _base, images: _images, logs: _logs, ...programs } = PLACES;
  if (Object.values(programs).every((path) => existsSync(path))) return;
  runScript("peers/main.ts", "conformance");
}

/** Makes the images where they are missing. */
export async function buildImages(): Promise<void> {
  if (existsSync(PLACES.images)) return;
  say("making the images ...");
  mkdirSync(OWN, { recursive: true });
  makeBase(PLACES.base);
  const cwd = join(ROOT, "scripts/peers/conformance");
  const module = ["list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes"];
  const kubernetes = execFileSync("go", module, { cwd, encoding: "utf8" }).trim();
  const busybox = programOf("busybox");
  const catatonit = programOf("catatonit");
  await makeImages({ ...PLACES, kubernetes, busybox, catatonit }, PLACES.images);
}

function programOf(name: string): string {
  return execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim();
}

/** The names of upstream's conformance tests, as e2e.test lists them. */
export function conformanceNames(): string[] {
  const tests = parse(listed("--list-conformance-tests")) as readonly { codename: string }[];
  return tests.map(({ codename }) => codename).toSorted();
}

/** The names of upstream's other tests that a cluster of ours is to pass. */
export function namesBeyond(): string[] {
  const names = listed("--list-tests").matchAll(/^\s+\S+:\d+: (.+)$/gm);
  return [...names]
    .map(([, name]) => name!)
    .filter((name) => !NEVER_RUN.test(name))
    .toSorted();
}

const listed = (flag: string) =>
  execFileSync(PLACES.e2e, [flag], { encoding: "utf8", maxBuffer: 1 << 26 });
