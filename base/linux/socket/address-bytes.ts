import { CodedError } from "@raft2kube/std/errors.ts";
import ipaddr from "ipaddr.js";

/** An IP address in network order: 4 or 16 bytes. */
export function addressBytes(address: string): Buffer {
  if (!ipaddr.isValid(address)) {
    throw new CodedError("EINVAL", `${JSON.stringify(address)} is not an IP address`);
  }
  return Buffer.from(ipaddr.parse(address).toByteArray());
}

/** The address of 4 or 16 bytes in network order, in its canonical text. RangeError for others. */
export function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) throw new RangeError(`an address of ${bytes.length} bytes`);
  return ipaddr.fromByteArray([...bytes]).toString();
}

/** `02:42:ac:11:00:02` as six bytes. */
export function macBytes(mac: string): Buffer {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac)) {
    throw new CodedError("EINVAL", `${JSON.stringify(mac)} is not a MAC address`);
  }
  return Buffer.from(mac.replaceAll(":", ""), "hex");
}

export function macText(bytes: Buffer): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}
