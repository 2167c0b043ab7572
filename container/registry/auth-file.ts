import { homedir } from "node:os";
import path from "node:path";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import type { AuthConfig } from "@raft2kube/proto/gen/cri.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { jsonOrNothing } from "@raft2kube/std/json-or-nothing.ts";
import { isRecord } from "@raft2kube/std/record.ts";

/** docker's file of credentials, which skopeo and others read too. */
function authFile(): string {
  return path.join(process.env["DOCKER_CONFIG"] ?? path.join(homedir(), ".docker"), "config.json");
}

/** docker.io's credentials have the name of its first registry. */
const nameOf = (domain: string) =>
  domain === "docker.io" ? "https://index.docker.io/v1/" : domain;

type Fields = Readonly<Record<string, unknown>>;

async function readConfig(): Promise<Fields> {
  const file = authFile();
  const value = jsonOrNothing((await readIfPresent(file)) ?? "{}");
  if (isRecord(value)) return value;
  throw new RuntimeError("failed-precondition", `${file} is not JSON`, { remedy: "mend it" });
}

/** Writes the file with other credentials, readable to this user alone. */
const writeConfig = (config: Fields, auths: Fields) =>
  replaceFile(authFile(), `${JSON.stringify({ ...config, auths }, null, 2)}\n`, { mode: 0o600 });

const authsOf = ({ auths }: Fields): Fields => (isRecord(auths) ? auths : {});

/** The credentials for a registry; undefined when `login` has none. */
export async function authFor(domain: string): Promise<Partial<AuthConfig> | undefined> {
  const entry = authsOf(await readConfig())[nameOf(domain)];
  const auth = isRecord(entry) ? entry["auth"] : undefined;
  return typeof auth === "string" ? { auth } : undefined;
}

/** Keeps credentials. */
export async function saveAuth(domain: string, user: string, password: string): Promise<void> {
  const config = await readConfig();
  const auth = Buffer.from(`${user}:${password}`).toString("base64");
  await writeConfig(config, { ...authsOf(config), [nameOf(domain)]: { auth } });
}

/** Forgets credentials. Returns whether there were any. */
export async function removeAuth(domain: string): Promise<boolean> {
  const config = await readConfig();
  const { [nameOf(domain)]: found, ...auths } = authsOf(config);
  if (found === undefined) return false;
  await writeConfig(config, auths);
  return true;
}
