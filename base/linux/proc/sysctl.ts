import { readFileSync, writeFileSync } from "node:fs";
import { CodedError, codeOf, messageOf } from "@raft2kube/std/errors.ts";
import { step } from "../syscall/steps.ts";

/**
 * `net.ipv4.ip_forward` as its file. Interface names may hold dots, so parts may be given with
 * slashes instead, as sysctl(8) allows: `net/ipv4/conf/eth0.1/forwarding`.
 */
function fileOf(name: string): string {
  const path = name.includes("/") ? name : name.replaceAll(".", "/");
  if (!/^[\w@:-][\w.@:-]*(\/[\w@:-][\w.@:-]*)+$/.test(path)) {
    throw new CodedError("EINVAL", `${JSON.stringify(name)} is not the name of a sysctl`);
  }
  return `/proc/sys/${path}`;
}

/** Reads a kernel parameter, of the network namespace that the calling thread is in. */
export function readSysctl(name: string): string {
  try {
    return readFileSync(fileOf(name), "utf8").trim();
  } catch (thrown) {
    throw new CodedError(codeOf(thrown) ?? "EIO", `sysctl ${name}: ${messageOf(thrown)}`);
  }
}

/**
 * Sets a kernel parameter, of the network namespace that the calling thread is in (`inNetns`);
 * returns whether it differed.
 */
export function writeSysctl(name: string, value: string | number): boolean {
  try {
    if (readSysctl(name) === String(value)) return false;
    step(() => ["sysctl", "-w", `${name}=${value}`]);
    writeFileSync(fileOf(name), String(value));
    return true;
  } catch (thrown) {
    const what = `sysctl ${name} = ${value}: ${messageOf(thrown)}`;
    throw new CodedError(codeOf(thrown) ?? "EIO", what, { cause: thrown });
  }
}
