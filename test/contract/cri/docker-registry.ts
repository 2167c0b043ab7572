import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { digestOf } from "@raft2kube/runtime/image/blobs.ts";
import { hostPlatform, MediaType } from "@raft2kube/runtime/image/manifest.ts";
import { freePort } from "../../../testing/free-port.ts";
import { killed } from "../../../testing/killed.ts";
import { waitFor } from "../../../testing/wait.ts";

/** A docker-registry on the loopback, which keeps what it is given under `directory`. */
export interface DockerRegistry {
  /** `127.0.0.1:PORT`, as in image names. */
  domain: string;
  stop(): Promise<void>;
}

/** The user of a registry that asks for credentials. */
export const REGISTRY_USER = { username: "user", password: "secret" };
/** bcrypt of the password, as htpasswd writes it. */
const PASSWORD_HASH = "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";
const PAIR = `${REGISTRY_USER.username}:${REGISTRY_USER.password}`;
const AUTHORIZATION = `Basic ${Buffer.from(PAIR).toString("base64")}`;

export async function startDockerRegistry(
  directory: string,
  options: { credentials?: boolean; auth?: readonly string[] } = {},
): Promise<DockerRegistry> {
  mkdirSync(directory, { recursive: true });
  const domain = `127.0.0.1:${await freePort()}`;
  const config = join(directory, "registry.yml");
  writeFileSync(
    config,
    [
      "version: 0.1",
      "storage:",
      "  filesystem:",
      `    rootdirectory: ${directory}/registry`,
      "http:",
      `  addr: ${domain}`,
      ...(options.credentials
        ? ["auth:", "  htpasswd:", "    realm: test", `    path: ${directory}/htpasswd`]
        : (options.auth ?? [])),
      "",
    ].join("\n"),
  );
  writeFileSync(join(directory, "htpasswd"), `${REGISTRY_USER.username}:${PASSWORD_HASH}\n`);
  const registry = spawn("docker-registry", ["serve", config], { stdio: "ignore" });
  const answers = () => fetch(`http://${domain}/v2/`).then(({ status }) => status < 500);
  await waitFor("the registry", answers);
  return {
    domain,
    stop: async () => {
      await killed(registry, "SIGTERM");
    },
  };
}

async function pushBlob(repository: string, content: Buffer) {
  const digest = digestOf(content);
  const headers = { Authorization: AUTHORIZATION };
  const started = await fetch(`${repository}/blobs/uploads/`, { method: "POST", headers });
  const upload = new URL(started.headers.get("location")!, repository);
  upload.searchParams.set("digest", digest);
  const done = await fetch(upload, { method: "PUT", headers, body: new Uint8Array(content) });
  if (done.status !== 201) throw new Error(`push: ${done.status} ${await done.text()}`);
  return { digest, size: content.length };
}

/** Pushes an image of these layers' tars under `demo/NAME:1`; returns its name. */
export async function pushImage(
  { domain }: DockerRegistry,
  name: string,
  layers: Readable[],
  config: object = {},
): Promise<string> {
  const repository = `http://${domain}/v2/demo/${name}`;
  const tars = await Promise.all(layers.map((layer) => buffer(layer)));
  const mediaType = `${MediaType.ociLayer}+gzip`;
  const pushed = await Promise.all(tars.map((tar) => pushBlob(repository, gzipSync(tar))));
  const rootfs = { type: "layers", diff_ids: tars.map((tar) => digestOf(tar)) };
  const content = Buffer.from(JSON.stringify({ ...hostPlatform(), config, rootfs }));
  const manifest = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: { mediaType: MediaType.ociConfig, ...(await pushBlob(repository, content)) },
    layers: pushed.map((layer) => ({ mediaType, ...layer })),
  };
  const headers = { "Content-Type": MediaType.ociManifest, Authorization: AUTHORIZATION };
  const body = JSON.stringify(manifest);
  const done = await fetch(`${repository}/manifests/1`, { method: "PUT", headers, body });
  if (done.status !== 201) throw new Error(`push: ${done.status} ${await done.text()}`);
  return `${domain}/demo/${name}:1`;
}
