import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "./bundle.ts";

/**
 * The command line, the programs of images, and every thread that a source starts by
 * `new URL("./x.ts", import.meta.url)`.
 */
export function entryPoints(): Record<string, string> {
  const entries: Record<string, string> = {
    main: "cli/main",
    "etcd-server": "cli/etcd",
    "port-proxy": "cli/port-proxy",
    ingress: "cli/ingress",
    dashboard: "cli/dashboard",
  };
  for (const path of bundledSources(PRODUCT)) {
    const text = readFileSync(join(ROOT, path), "utf8");
    for (const match of text.matchAll(/new URL\("\.\/([\w-]+)\.ts", import\.meta\.url\)/g)) {
      const thread = join(dirname(path), match[1]!);
      entries[thread] = thread;
    }
  }
  return entries;
}

const PRODUCT = [
  "base",
  "api",
  "cel",
  "openapi",
  "apimachinery",
  "pod-security",
  "apiextensions",
  "encryption",
  "fairness",
  "client",
  "store",
  "apiserver",
  "scheduler",
  "controllers",
  "kubelet",
  "runtime",
  "cni",
  "network-policy",
  "overlay",
  "csi",
  "device",
  "proxy",
  "ingress",
  "dns",
  "explain",
  "container",
  "dashboard",
  "cli",
];

/** The folders that a bundle is made of: `r2k lab` is among the commands. */
export const BUNDLED = [...PRODUCT, "labs"];

/** Sources that the command line may load, without tests, and data that is bundled with them. */
export function bundledSources(folders: readonly string[] = BUNDLED): string[] {
  const page = ["-o", "-path", "dashboard/page/*"];
  const names = ["-name", "*.ts", "-not", "-name", "*.test.ts", "-o", "-name", "*.yaml", ...page];
  const args = ["-L", ...folders, ...names];
  const output = execFileSync("find", args, { cwd: ROOT, encoding: "utf8" });
  return output
    .split("\n")
    .filter((path) => path && !path.includes("node_modules/"))
    .sort();
}
