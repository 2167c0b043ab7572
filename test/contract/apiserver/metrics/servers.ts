import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readEncryption } from "@raft2kube/encryption/config.ts";
import * as servers from "../transcripts/servers.ts";

/** Secrets are encrypted: that is measured, too. */
const ENCRYPTION = JSON.stringify({
  apiVersion: "apiserver.config.k8s.io/v1",
  kind: "EncryptionConfiguration",
  resources: [
    {
      resources: ["secrets"],
      providers: [
        { secretbox: { keys: [{ name: "key1", secret: Buffer.alloc(32, 1).toString("base64") }] } },
        { identity: {} },
      ],
    },
  ],
});

/** kube-apiserver 1.36 on etcd 3.6. */
export async function startTheirs(): Promise<servers.Server> {
  const dir = mkdtempSync(join(tmpdir(), "r2k-metrics-"));
  const file = join(dir, "encryption.json");
  writeFileSync(file, ENCRYPTION);
  const server = await servers.startTheirs({ "encryption-provider-config": file });
  rmSync(dir, { recursive: true });
  return server;
}

/** Ours on our store. */
export async function startOurs(): Promise<servers.Server> {
  return await servers.startOurs({ encryption: await readEncryption(ENCRYPTION) });
}
