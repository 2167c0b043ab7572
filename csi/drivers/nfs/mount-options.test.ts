import { describe, expect, it } from "vitest";
import { mountOptionsOf, ownMountOptions } from "./mount-options.ts";

describe("mountOptionsOf", () => {
  const read = (...flags: string[]) => mountOptionsOf("mount_flags", flags);

  it("divides version, attributes of the mount, and options of NFS", () => {
    expect(read("nfsvers=4.1,hard", "noatime", "timeo=600", "ro", "rw", "_netdev")).toEqual({
      versions: ["4.1"],
      options: ["hard", "timeo=600"],
      attributes: 0x11,
    });
    expect(read("vers=4", "noac", "nolock").versions).toEqual(["4.0"]);
  });

  it("tries the newest version first where none is named", () => {
    expect(read().versions).toEqual(["4.2", "4.1", "4.0", "3"]);
  });

  it("refuses what is unknown, malformed or contradicts itself, by name", () => {
    const wrong = [
      "timeo",
      "timeo=-1",
      "hard=1",
      "proto=udp",
      "__proto__",
      "constructor=1",
      "sec=krb5",
      "noconstructor",
      "x-systemd.automount",
      "source=/",
      "vers=2",
    ];
    for (const option of wrong) expect(() => read("hard", option), option).toThrow(option);
    expect(() => read("vers=3", "nfsvers=4.2")).toThrow("nfsvers=4.2 contradicts nfsvers=3");
  });
});

describe("ownMountOptions", () => {
  it("keeps the way to the server, and never waits for ever nor takes locks", () => {
    const given = mountOptionsOf("mount_flags", ["hard,timeo=6000,port=2050,nfsvers=3,ro"]);
    expect(ownMountOptions(given)).toEqual({
      versions: ["3"],
      options: ["port=2050", "soft", "timeo=50", "retrans=2", "nolock"],
      attributes: 0,
    });
  });
});
