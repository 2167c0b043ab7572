import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { Call, Sent } from "../transcripts/caller.ts";

/** The answer of a diagnostic page, as far as it does not depend on time and machine. */
export interface PageAnswer {
  readonly path: string;
  readonly accept?: string;
  /** A user's name and groups; anonymous if absent. */
  readonly by?: string;
  readonly status: number;
  readonly type: string;
  readonly warning?: string;
  /** The text of what is no success, the members of an object, the lines of a list of checks. */
  readonly body?: unknown;
}

export const PAGES_FILE = join(import.meta.dirname, "recorded/pages.json");

const zpage = (kind: string, version: string) => `v=${version};g=config.k8s.io;as=${kind}`;
const STATUSZ = zpage("Statusz", "v1beta1");
const ACCEPTS = [
  "",
  "*/*",
  "application/json",
  "text/plain",
  "text/html",
  "application/yaml",
  `application/json;${STATUSZ}`,
  `application/yaml;${STATUSZ}`,
  `application/json;${zpage("Statusz", "v1alpha1")}`,
  `application/json;${zpage("Statusz", "v2")}`,
  `application/json;${zpage("Flagz", "v1beta1")}`,
  `application/json;${zpage("Flagz", "v1alpha1")}`,
  `text/html, application/json;${STATUSZ}`,
];
const CHECKS = [
  "?verbose",
  "?exclude=etcd",
  "?verbose&exclude=etcd",
  "?verbose&exclude=nothing&exclude=any",
  "/ping",
  "/etcd",
  "/etcd?verbose",
  "/nothing",
  "/ping?exclude=ping",
  "/poststarthook/rbac/bootstrap-roles",
  "/verbose",
  "",
];
const PAGES = [
  "/healthz",
  "/livez",
  "/readyz",
  "/readyz/ping",
  "/metrics",
  "/metrics/slis",
  "/statusz",
  "/flagz",
  "/configz",
  "/version",
];
const NOT_THERE = ["/configz", "/logs/", "/metrics/cadvisor", "/metrics/resource"];
const MONITOR = { "impersonate-user": "m", "impersonate-group": "system:monitoring" };

/** Asks a server for its diagnostic pages, in all forms and as others than its master. */
export async function askPages(call: Call): Promise<PageAnswer[]> {
  const recorded: PageAnswer[] = [];
  const ask = async (path: string, more: { accept?: string; by?: string }, sent: Sent) => {
    const { status, headers, body } = await call("GET", path, sent);
    const type = String(headers["content-type"] ?? "").replace("; escaping=underscores", "");
    const { warning } = headers;
    const said = bodyOf(path, status, type, body.toString("utf8"));
    recorded.push({
      path,
      ...more,
      status,
      type,
      ...(warning === undefined ? {} : { warning: String(warning) }),
      ...(said === undefined ? {} : { body: said }),
    });
  };
  for (const page of ["/statusz", "/flagz"]) {
    for (const accept of ACCEPTS) await ask(page, { accept }, accept === "" ? {} : { accept });
  }
  for (const page of ["/healthz", "/livez", "/readyz"]) {
    for (const rest of CHECKS) await ask(page + rest, {}, {});
  }
  for (const page of NOT_THERE) await ask(page, {}, {});
  for (const page of PAGES) {
    await ask(page, { by: "nobody" }, { anonymous: true });
    await ask(page, { by: "system:monitoring" }, { headers: MONITOR });
  }
  return recorded;
}

function bodyOf(path: string, status: number, type: string, body: string): unknown {
  if (/^application\/(json|yaml)/.test(type)) {
    const value = parse(body) as Record<string, unknown>;
    const { kind, apiVersion } = value;
    if (kind === "Status") return value["message"];
    return { ...(kind ? { kind, apiVersion } : {}), members: Object.keys(value).sort() };
  }
  if (status !== 200) return body;
  if (/^\/(healthz|livez|readyz)/.test(path)) return body.includes("\n") ? body.split("\n") : body;
  // A value starts after one of several separators, which changes from time to time.
  if (path === "/statusz" && type.startsWith("text/plain")) {
    return body.split("\n").map((line) => line.replace(/(: |  | - |= ?|:).*/, ""));
  }
  return undefined;
}

/** Reads upstream's recorded answers. */
export function readPages(): PageAnswer[] {
  return JSON.parse(readFileSync(PAGES_FILE, "utf8")) as PageAnswer[];
}
