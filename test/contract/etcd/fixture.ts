import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { EtcdError, type EtcdErrorName, etcdError } from "@raft2kube/client-etcd/errors.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import type { KeyValue, RangeRequest } from "@raft2kube/proto/gen/etcd.ts";
import { expect } from "vitest";

export const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

let prefixes = 0;

/** A prefix that no other test writes under. */
export const freshPrefix = (): string => `t${String(++prefixes).padStart(4, "0")}/`;

/** The first key after all that start with `prefix`. */
export function endOf(prefix: string): Buffer {
  const end = bytes(prefix);
  end[end.length - 1]!++;
  return end;
}

/** Returns short forms of the client's calls that tests use most. */
export function shorthand(client: EtcdClient) {
  return {
    put: (key: string, value = "", lease = 0n) =>
      client.put({ key: bytes(key), value: bytes(value), lease }),
    get: async (key: string, revision = 0): Promise<KeyValue | undefined> =>
      (await client.range({ key: bytes(key), revision })).kvs[0],
    list: (prefix: string, options: Init<RangeRequest> = {}) =>
      client.range({ key: bytes(prefix), rangeEnd: endOf(prefix), ...options }),
    remove: (key: string) => client.deleteRange({ key: bytes(key) }),
    revision: async () => (await client.range({ key: bytes("none") })).header!.revision,
  };
}

export function keysOf(response: { kvs: KeyValue[] }): string[] {
  return response.kvs.map(({ key }) => key.toString("latin1"));
}

/** The call fails with exactly this error of etcd: status and text. */
export async function expectError(call: Promise<unknown>, name: EtcdErrorName): Promise<void> {
  const thrown = await call.then(
    (value) => ({ value }),
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(EtcdError);
  const { status, message } = thrown as EtcdError;
  const expected = etcdError(name);
  expect({ status, message }).toEqual({ status: expected.status, message: expected.message });
}
