import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import type { AuthConfig } from "@raft2kube/proto/gen/cri.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { isRecord } from "@raft2kube/runtime/image/json.ts";
import { isErrno } from "@raft2kube/std/errors.ts";

/** docker's file of credentials, which skopeo and others read too. */
function authFile(): string {
  return path.join(process.env["DOCKER_CONFIG"] ?? path.join(homedir(), ".docker"), "config.json");
}

/** docker.io's credentials have the name of its first registry. */
const nameOf = (domain: string) =>
  domain === "docker.io" ? "https://index.docker.io/v1/" : domain;

async function readConfig(): Promise<Record<string, unknown>> {
  const file = authFile();
  try {
    const value: unknown = JSON.parse(await readFile(file, "utf8"));
    if (isRecord(value)) return value;
  } catch (cause) {
    if (isErrno(cause, "ENOENT")) return {};
    if (!(cause instanceof SyntaxError)) throw cause;
  }
  throw new RuntimeError("failed-precondition", `${file} is not JSON`, { remedy: "mend it" });
}

function authsOf(config: Record<string, unknown>): Record<string, unknown> {
  return isRecord(config["auths"]) ? config["auths"] : {};
}

/** The credentials for a registry; undefined when `login` has none. */
export async function authFor(domain: string): Promise<Partial<AuthConfig> | undefined> {
  const entry = authsOf(await readConfig())[nameOf(domain)];
  const auth = isRecord(entry) ? entry["auth"] : undefined;
  return typeof auth === "string" ? { auth } : undefined;
}

/** Keeps credentials, readable to this user alone. */
export async function saveAuth(domain: string, user: string, password: string): Promise<void> {
  const config = await readConfig();
  const auth = Buffer.from(`${user}:${password}`).toString("base64");
  const auths = { ...authsOf(config), [nameOf(domain)]: { auth } };
  await replaceFile(authFile(), `${JSON.stringify({ ...config, auths }, null, 2)}\n`, {
    mode: 0o600,
  });
}

/** Forgets credentials. Returns whether there were any. */
export async function removeAuth(domain: string): Promise<boolean> {
  const config = await readConfig();
  const { [nameOf(domain)]: found, ...auths } = authsOf(config);
  if (found === undefined) return false;
  await replaceFile(authFile(), `${JSON.stringify({ ...config, auths }, null, 2)}\n`, {
    mode: 0o600,
  });
  return true;
}
