import { enterNetns } from "@raft2kube/linux/namespace/netns.ts";
import { applyRuleset, deleteTable, nftTableComment } from "@raft2kube/linux/netfilter/nft.ts";
import { listAddresses } from "@raft2kube/linux/netlink/address.ts";
import { openRoute } from "@raft2kube/linux/netlink/link.ts";
import { readSysctl, writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import type { Logger } from "@raft2kube/observe/log.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createNamespaces, type Namespaces } from "../../../testing/network/namespaces.ts";
import { USERSPACE_MODE } from "./apply.ts";

const NAME = "net.ipv4.tcp_tw_reuse";
const TABLE = "r2k-proxy-userspace";

describe.runIf(process.getuid?.() === 0)("the kernel parameter of userspace mode", () => {
  let namespaces: Namespaces;
  let warnings: string[];

  beforeEach(() => {
    namespaces = createNamespaces("r2k-userparam-");
    enterNetns(namespaces.add("node"));
    writeSysctl(NAME, 0);
    warnings = [];
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    namespaces.close();
  });

  const create = () => {
    const ignore = () => {};
    const warn = (text: string) => void warnings.push(text);
    const log: Logger = { debug: ignore, info: ignore, error: ignore, warn };
    return USERSPACE_MODE.create({ clock: systemClock(), log });
  };
  /** A proxy starts and ends. */
  const serve = async () => {
    const rules = create();
    await rules.rebuild([], []);
    await rules.rebuild([], []);
    expect([readSysctl(NAME), await rules.intact()]).toEqual(["1", true]);
    await rules.close();
  };

  test("has its former value after a removal, however often the proxy started", async () => {
    await serve();
    await serve();
    expect(nftTableComment("ip", TABLE)).toBe(`${NAME}=0`);
    expect(readSysctl(NAME)).toBe("1");
    await USERSPACE_MODE.remove();
    expect([readSysctl(NAME), await USERSPACE_MODE.isPresent()]).toEqual(["0", false]);
    expect(warnings).toEqual([]);
  });

  test("is kept where another program has changed it since", async () => {
    await serve();
    writeSysctl(NAME, 2);
    await USERSPACE_MODE.remove();
    expect(readSysctl(NAME)).toBe("2");
  });

  test("has the kernel's default where the note was deleted by hand", async () => {
    await serve();
    await deleteTable("ip", TABLE);
    expect(await USERSPACE_MODE.isPresent()).toBe(true);
    await serve();
    expect(warnings).toEqual([expect.stringMatching(/note .* was deleted.*defaults/)]);
    await USERSPACE_MODE.remove();
    expect([readSysctl(NAME), await USERSPACE_MODE.isPresent()]).toEqual(["2", false]);
  });

  const hasAddress = () => {
    using route = openRoute();
    return listAddresses(route).some(({ cidr }) => cidr.startsWith("169.254."));
  };

  test("has its former value, equal to ours, after a first start that has no rules", async () => {
    writeSysctl(NAME, 1);
    const rules = create();
    await expect(rules.rebuild([], ["no address"])).rejects.toThrow();
    await rules.close();
    expect([hasAddress(), nftTableComment("ip", TABLE)]).toEqual([true, `${NAME}=1`]);
    await serve();
    await USERSPACE_MODE.remove();
    expect([readSysctl(NAME), warnings]).toEqual(["1", []]);
  });

  test("has it after a removal that did not come to the table, whose note is kept", async () => {
    writeSysctl(NAME, 1);
    await serve();
    vi.stubEnv("PATH", "/nowhere");
    await expect(USERSPACE_MODE.remove()).rejects.toThrow(/nft/);
    vi.unstubAllEnvs();
    expect([hasAddress(), nftTableComment("ip", TABLE)]).toEqual([false, `${NAME}=1`]);
    expect(await USERSPACE_MODE.isPresent()).toBe(true);
    await USERSPACE_MODE.remove();
    expect([readSysctl(NAME), await USERSPACE_MODE.isPresent()]).toEqual(["1", false]);
  });

  test("has the kernel's default where the table has no note", async () => {
    await serve();
    await deleteTable("ip", TABLE);
    await applyRuleset(`add table ip ${TABLE}\n`);
    await serve();
    expect(nftTableComment("ip", TABLE)).toBe(`${NAME}=2`);
    expect(warnings).toEqual([expect.stringMatching(/note .* was deleted.*defaults/)]);
  });
});
