import { readFileSync } from "node:fs";
import { join } from "node:path";
import protobuf from "protobufjs";
import { describe, expect, it } from "vitest";
import { generateAll } from "../../scripts/proto/typescript.ts";
import { DecodeError } from "./codec.ts";
import { ContainerConfig, LinuxContainerResources } from "./gen/cri.ts";
import {
  Compare,
  LeaseGrantRequest,
  PutRequest,
  RangeResponse,
  RequestOp,
  ResponseHeader,
  TxnRequest,
} from "./gen/etcd.ts";

describe("codec", () => {
  it("round-trips nested messages, maps, repeated and 64-bit fields", () => {
    const txn = {
      compare: [{ key: Buffer.from("a"), modRevision: 0, target: 2 }],
      success: [{ requestPut: { key: Buffer.from("a"), value: Buffer.from("b"), lease: -1n } }],
    };
    const decoded = TxnRequest.decode(TxnRequest.encode(txn));
    expect(decoded.compare[0]?.modRevision).toBe(0);
    expect(decoded.compare[0]?.version).toBeUndefined();
    expect(decoded.success[0]?.requestPut?.lease).toBe(-1n);
    expect(decoded.failure).toEqual([]);
    const config = ContainerConfig.decode(
      ContainerConfig.encode({ labels: { "io.x": "y", __proto__x: "z" }, args: ["a", ""] }),
    );
    expect(config.labels).toEqual({ "io.x": "y", __proto__x: "z" });
    expect(config.args).toEqual(["a", ""]);
    expect(config.metadata).toBeUndefined();
  });

  it("keeps the extremes of int64 and uint64", () => {
    const extremes = [2n ** 63n - 1n, -(2n ** 63n), 0n, 1n];
    for (const lease of extremes) {
      expect(PutRequest.decode(PutRequest.encode({ lease })).lease).toBe(lease);
    }
    const memberId = 2n ** 64n - 1n;
    const header = RangeResponse.decode(RangeResponse.encode({ header: { memberId } })).header;
    expect(header?.memberId).toBe(memberId);
    expect(
      LinuxContainerResources.decode(LinuxContainerResources.encode({ cpuQuota: -1 })).cpuQuota,
    ).toBe(-1);
  });

  it("writes a number beyond 64 bits as its type's greatest or least, which reads as it", () => {
    const greatest = 2n ** 63n - 1n;
    const sent = LeaseGrantRequest.encode({ ID: greatest });
    const { TTL } = LeaseGrantRequest.decode(Buffer.concat([Buffer.from([8]), sent.subarray(1)]));
    const pairs = [
      [TTL, greatest],
      [2 ** 70, greatest],
      [-(2 ** 70), -1n - greatest],
    ] as const;
    for (const [number, id] of pairs) {
      const bytes = LeaseGrantRequest.encode({ ID: id });
      bytes[0] = 8;
      expect(LeaseGrantRequest.encode({ TTL: number })).toEqual(bytes);
    }
    for (const raftTerm of [2 ** 64, 2 ** 80]) {
      const bytes = ResponseHeader.encode({ raftTerm });
      expect(bytes).toEqual(Buffer.from([0x20, ...Array<number>(9).fill(0xff), 1]));
      expect(ResponseHeader.decode(bytes).raftTerm).toBe(2 ** 64);
    }
  });

  it("reads whole numbers of every length, padded ones too", () => {
    const read = (bytes: number[]) => ResponseHeader.decode(Buffer.from([0x18, ...bytes])).revision;
    for (let bits = 0; bits <= 53; bits++) {
      for (const revision of [2 ** bits - 1, 2 ** Math.min(bits, 52)]) {
        const header = ResponseHeader.decode(ResponseHeader.encode({ revision, raftTerm: 5 }));
        expect([header.revision, header.raftTerm]).toEqual([revision, 5]);
      }
    }
    expect(ResponseHeader.decode(ResponseHeader.encode({ revision: -7 })).revision).toBe(-7);
    for (let padding = 0; padding < 9; padding++) {
      expect(read([0x83, ...Array.from({ length: padding }, () => 0x80), 0])).toBe(3);
    }
    for (let length = 1; length < 9; length++) {
      expect(() => read(Array.from({ length }, () => 0x83)), `${length}`).toThrow(DecodeError);
    }
  });

  it("takes of a oneof the last member on the wire, as a check for one would miss another", () => {
    const range = RequestOp.encode({ requestRange: { key: Buffer.from("a") } });
    const txn = RequestOp.encode({ requestTxn: {} });
    const both = RequestOp.decode(Buffer.concat([range, txn]));
    expect(both.requestTxn).toBeDefined();
    expect(both.requestRange).toBeUndefined();
    const other = RequestOp.decode(Buffer.concat([txn, range]));
    expect(other.requestTxn).toBeUndefined();
    const compare = Compare.decode(Compare.encode({ version: 1, lease: 7n }));
    expect([compare.version, compare.lease]).toEqual([undefined, 7n]);
  });

  it("writes the bytes that protobufjs writes from the same schema", () => {
    const root = new protobuf.Root();
    for (const name of ["mvccpb", "authpb", "etcdserverpb"]) {
      const path = join(import.meta.dirname, `schema/etcd/${name}.proto`);
      protobuf.parse(readFileSync(path, "utf8"), root, { keepCase: false });
    }
    const put = { key: Buffer.from("k"), value: Buffer.alloc(300, 7), prevKv: true };
    const numbers = [1, 127, 128, 16_383, 16_384, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, -1];
    const kvs = numbers.map((modRevision, i) => {
      return { key: Buffer.alloc(i * 40, i), createRevision: i, modRevision, version: 0 };
    });
    const ops = Array.from({ length: 20 }, () => ({ requestPut: put }));
    const txn = { success: [{ requestTxn: { success: ops, failure: ops } }], compare: [{}] };
    const cases: [string, { encode(value: never): Buffer }, object][] = [
      ["PutRequest", PutRequest, put],
      ["RangeResponse", RangeResponse, { header: { raftTerm: 9, revision: 300 }, kvs, count: 7 }],
      ["TxnRequest", TxnRequest, txn],
    ];
    for (const [name, ours, value] of cases) {
      const theirs = root.lookupType(`etcdserverpb.${name}`).encode(value).finish();
      expect(ours.encode(value as never), name).toEqual(Buffer.from(theirs));
    }
  });

  it("writes every scalar so that it reads back, and leaves room where it is asked to", () => {
    const scalars = { cpuQuota: -5, cpuShares: 2 ** 40, oomScoreAdj: -1_000, unified: { a: "ä" } };
    const bytes = LinuxContainerResources.encode(scalars, 11);
    expect(LinuxContainerResources.decode(bytes.subarray(11))).toMatchObject(scalars);
    expect(PutRequest.encode({}, 5)).toHaveLength(5);
    expect(() => PutRequest.encode({ key: 5 } as never)).toThrow();
    expect(PutRequest.encode({})).toHaveLength(0);
  });

  it("refuses what is cut short, nested too deep, or of a wrong wire type", () => {
    const whole = PutRequest.encode({ key: Buffer.from("abc") });
    expect(() => PutRequest.decode(whole.subarray(0, 3))).toThrow(DecodeError);
    expect(() => PutRequest.decode(Buffer.from([0x08, 1]))).toThrow(/wire type/);
    let deep: Buffer = Buffer.alloc(0);
    for (let i = 0; i < 300; i++) {
      const length =
        deep.length < 128 ? [deep.length] : [(deep.length & 127) | 128, deep.length >> 7];
      const txn = Buffer.concat([Buffer.from([0x22, ...length]), deep]);
      const outer = txn.length < 128 ? [txn.length] : [(txn.length & 127) | 128, txn.length >> 7];
      deep = Buffer.concat([Buffer.from([0x12, ...outer]), txn]);
    }
    expect(() => TxnRequest.decode(deep)).toThrow(/nested deeper/);
    expect(Compare.decode(Buffer.alloc(0)).result).toBe(0);
  });

  it("is generated from the schema that is committed", () => {
    for (const [name, text] of generateAll()) {
      const path = join(import.meta.dirname, `gen/${name}.ts`);
      expect(readFileSync(path, "utf8"), name).toBe(text);
    }
  });
});
