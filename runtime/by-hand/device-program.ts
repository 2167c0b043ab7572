import { closeSync, openSync } from "node:fs";
import { bpf } from "@raft2kube/linux/process/process-calls.ts";
import koffi from "@raft2kube/linux/syscall/koffi.ts";
import type { OciDeviceRule } from "../oci/spec.ts";

const PROG_LOAD = 5;
const PROG_ATTACH = 8;
const TYPE_CGROUP_DEVICE = 15;
const ATTACH_CGROUP_DEVICE = 6;
const ATTACH_ALLOW_MULTI = 2;

/** Instructions of BPF (include/uapi/linux/bpf.h): code, registers, offset, immediate value. */
const OP = {
  loadWord: 0x61,
  move: 0xbf,
  moveValue: 0xb7,
  and: 0x57,
  shiftRight: 0x77,
  notEqual: 0x55,
  equal: 0x15,
  notEqualRegister: 0x5d,
  exit: 0x95,
} as const;

const ACCESS: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };
const TYPE: Readonly<Record<string, number>> = { b: 1, c: 2 };

const DENY: OciDeviceRule = { allow: false, access: "rwm" };

function isForAll({ type = "a", major, minor, access }: OciDeviceRule): boolean {
  const every = ["r", "w", "m"].every((letter) => access.includes(letter));
  return type === "a" && major === undefined && minor === undefined && every;
}

function instruction(code: number, to: number, from: number, offset: number, value: number) {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt8(code, 0);
  bytes.writeUInt8((from << 4) | to, 1);
  bytes.writeInt16LE(offset, 2);
  bytes.writeInt32LE(value, 4);
  return bytes;
}

/**
 * Translates device rules to a program of BPF: cgroup v2 asks it at each mknod and open. Its
 * context is three words: the access in the upper half of the first and the type in the lower, the
 * major and the minor number. The last rule that matches decides, so they are tested from the end.
 * Pure.
 */
export function deviceProgram(rules: readonly OciDeviceRule[]): Buffer {
  // No test follows a rule that matches all: the kernel refuses code that is never reached.
  const all = [DENY, ...rules];
  const effective = all.slice(all.findLastIndex(isForAll));
  const parts = [
    instruction(OP.loadWord, 2, 1, 0, 0),
    instruction(OP.and, 2, 0, 0, 0xffff), // r2: type
    instruction(OP.loadWord, 3, 1, 0, 0),
    instruction(OP.shiftRight, 3, 0, 0, 16), // r3: access
    instruction(OP.loadWord, 4, 1, 4, 0), // r4: major
    instruction(OP.loadWord, 5, 1, 8, 0), // r5: minor
    ...effective.toReversed().flatMap(ruleBlock),
  ];
  return Buffer.concat(parts);
}

/** A rule's tests, each of which jumps past its decision when it does not match. */
function ruleBlock({ allow, type, major, minor, access }: OciDeviceRule): Buffer[] {
  const bits = [...access].reduce((sum, letter) => sum | ACCESS[letter]!, 0);
  const tests: ((offset: number) => Buffer[])[] = [];
  if (type !== undefined && type !== "a") {
    tests.push((offset) => [instruction(OP.notEqual, 2, 0, offset, TYPE[type]!)]);
  }
  // An allowing rule needs all bits of the access, a denying one has any of them.
  if (bits !== 7) {
    tests.push((offset) => [
      instruction(OP.move, 1, 3, 0, 0),
      instruction(OP.and, 1, 0, 0, bits),
      allow
        ? instruction(OP.notEqualRegister, 1, 3, offset, 0)
        : instruction(OP.equal, 1, 0, offset, 0),
    ]);
  }
  if (major !== undefined) tests.push((offset) => [instruction(OP.notEqual, 4, 0, offset, major)]);
  if (minor !== undefined) tests.push((offset) => [instruction(OP.notEqual, 5, 0, offset, minor)]);
  const decision = [
    instruction(OP.moveValue, 0, 0, 0, allow ? 1 : 0),
    instruction(OP.exit, 0, 0, 0, 0),
  ];
  let block: Buffer[] = decision;
  for (const test of tests.reverse()) block = [...test(block.length), ...block];
  return block;
}

/** Attaches the program of these rules to a cgroup of v2, beside those of the groups above it. */
export function attachDeviceProgram(directory: string, rules: readonly OciDeviceRule[]): void {
  const program = deviceProgram(rules);
  const license = Buffer.from("GPL\0");
  const load = Buffer.alloc(128);
  load.writeUInt32LE(TYPE_CGROUP_DEVICE, 0);
  load.writeUInt32LE(program.length / 8, 4);
  load.writeBigUInt64LE(koffi.address(program), 8);
  load.writeBigUInt64LE(koffi.address(license), 16);
  const loaded = bpf(PROG_LOAD, load);
  const group = openSync(directory, "r");
  try {
    const attach = Buffer.alloc(16);
    attach.writeUInt32LE(group, 0);
    attach.writeUInt32LE(loaded, 4);
    attach.writeUInt32LE(ATTACH_CGROUP_DEVICE, 8);
    attach.writeUInt32LE(ATTACH_ALLOW_MULTI, 12);
    bpf(PROG_ATTACH, attach);
  } finally {
    closeSync(group);
    closeSync(loaded);
  }
}
