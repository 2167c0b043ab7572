import { readFileSync } from "node:fs";
import { KeyManagementService } from "@raft2kube/proto/gen/kms.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { type RpcServer, serve, serveGrpc } from "@raft2kube/rpc/server.ts";
import { asBuffer } from "@raft2kube/std/bytes.ts";
import { aesgcm } from "../ciphers.ts";

type Key = { readonly id: string; readonly secret: Buffer };

const KEY_BYTES = 32;

/** Reads lines of a key's id and 32 bytes in base64; the first one encrypts. Throws RpcError. */
export function readKeys(text: string): Key[] {
  const keys = text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [id = "", secret = ""] = line.trim().split(/\s+/);
      return { id, secret: Buffer.from(secret, "base64") };
    });
  const unfit = keys.find(({ secret }) => secret.length !== KEY_BYTES);
  if (keys.length > 0 && unfit === undefined) return keys;
  const what = unfit === undefined ? "no key" : `the key ${unfit.id}, which has not 32 bytes`;
  throw new RpcError(Status.FAILED_PRECONDITION, `the key file has ${what}`);
}

/**
 * Serves a plugin of KMS v2 on a socket, to try and to learn: its keys lie in a file, which is read
 * for each call, so that a line put in front rotates the key. A real one asks a device.
 */
export async function startSampleKms(path: string, keyFile: string): Promise<RpcServer> {
  const keys = () => readKeys(readFileSync(keyFile, "utf8"));
  const service = serve(KeyManagementService, {
    status: () => ({ version: "v2", healthz: "ok", keyId: keys()[0]!.id }),
    encrypt: ({ plaintext }) => {
      const [{ id, secret }] = keys() as [Key];
      return {
        ciphertext: aesgcm.encrypt(secret, asBuffer(plaintext), ""),
        keyId: id,
        annotations: {},
      };
    },
    decrypt: ({ ciphertext, keyId: id }) => {
      const key = keys().find((each) => each.id === id);
      if (key === undefined) throw new RpcError(Status.NOT_FOUND, `there is no key ${id}`);
      return { plaintext: open(key.secret, asBuffer(ciphertext)) };
    },
  });
  return await serveGrpc({ listen: { path }, services: [service] });
}

function open(secret: Buffer, sealed: Buffer): Buffer {
  try {
    return aesgcm.decrypt(secret, sealed, "");
  } catch (cause) {
    throw new RpcError(Status.INVALID_ARGUMENT, "the ciphertext is damaged", { cause });
  }
}
