import { networkInterfaces } from "node:os";
import { addAddress, deleteAddress, listAddresses } from "@raft2kube/linux/netlink/address.ts";
import {
  createDummy,
  deleteLink,
  findLink,
  getLink,
  type Link,
  openRoute,
  setLink,
} from "@raft2kube/linux/netlink/link.ts";
import { CodedError, isErrno } from "@raft2kube/std/errors.ts";
import ipaddr from "ipaddr.js";
import { DEVICE, DEVICE_OWNER } from "./layout.ts";

/**
 * Makes sure of the device of the Services' addresses, with a note, of which the kernel takes 240
 * bytes. EEXIST if another program's has its name.
 */
export function ensureDevice(note: string): void {
  using route = openRoute();
  let isNew = true;
  try {
    createDummy(route, { name: DEVICE });
  } catch (thrown) {
    if (!isErrno(thrown, "EEXIST")) throw thrown;
    isNew = false;
  }
  const link = getLink(route, DEVICE);
  // The kernel sets no alias while it creates a link.
  if (isNew || isOurs(link)) return setLink(route, link, { alias: aliasOf(note), up: true });
  throw new CodedError("EEXIST", `link ${DEVICE} belongs to another program`, {
    remedy:
      "if no other proxy runs here, remove what one left: kube-proxy --cleanup, or " +
      `ip link delete ${DEVICE} and ipvsadm --clear`,
  });
}

const aliasOf = (note: string) => `${DEVICE_OWNER} ${note}`.trim();
const isOurs = (link: Link | undefined) => link?.alias.startsWith(DEVICE_OWNER) === true;

/** Whether the device is there, and ours. */
export const hasDevice = () => deviceNote() !== undefined;

/** Returns the note on our device; undefined without the device. */
export function deviceNote(): string | undefined {
  using route = openRoute();
  const link = findLink(route, DEVICE);
  return link && isOurs(link) ? link.alias.slice(DEVICE_OWNER.length).trim() : undefined;
}

export function removeDevice(): void {
  using route = openRoute();
  deleteLink(route, DEVICE);
}

/** Returns the addresses of the device. */
export function deviceAddresses(): Set<string> {
  using route = openRoute();
  const { index } = getLink(route, DEVICE);
  const all = listAddresses(route, index).filter(({ link }) => link === index);
  const found = all.flatMap(({ cidr }) => cidr.split("/")[0] ?? []);
  return new Set(found.filter((address) => ipaddr.IPv4.isValid(address)));
}

export function changeAddresses(added: Iterable<string>, removed: Iterable<string>): void {
  using route = openRoute();
  const { index } = getLink(route, DEVICE);
  for (const address of added) addAddress(route, index, `${address}/32`);
  for (const address of removed) deleteAddress(route, index, `${address}/32`);
}

/** Returns the node's own IPv4 addresses that serve node ports. */
export function nodePortAddresses(ranges: readonly string[] | undefined): string[] {
  const wanted = (ranges ?? [])
    .filter((range) => ipaddr.IPv4.isValidCIDR(range))
    .map((range) => ipaddr.IPv4.parseCIDR(range));
  const own = Object.entries(networkInterfaces())
    .filter(([name]) => name !== DEVICE)
    .flatMap(([, addresses]) => addresses ?? [])
    .filter(({ family, internal }) => family === "IPv4" && !internal)
    .map(({ address }) => address);
  const serves = (address: string) =>
    !ranges?.length || wanted.some((range) => ipaddr.IPv4.parse(address).match(range));
  return [...new Set(own)].filter(serves).sort();
}
