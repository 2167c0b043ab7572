import { enterNetns } from "@raft2kube/linux/netns.ts";
import { deleteTable, nftTableComment } from "@raft2kube/linux/nft.ts";
import { readSysctl, writeSysctl } from "@raft2kube/linux/sysctl.ts";
import { createNamespaces, type Namespaces } from "@raft2kube/linux/testing/namespaces.ts";
import type { Logger } from "@raft2kube/observe/log.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
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
  afterEach(() => namespaces.close());

  /** A proxy starts and ends. */
  const serve = async () => {
    const ignore = () => {};
    const warn = (text: string) => void warnings.push(text);
    const log: Logger = { debug: ignore, info: ignore, error: ignore, warn };
    const rules = USERSPACE_MODE.create({ clock: systemClock(), log });
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
});
