import { ownMountOptions, READ_ONLY } from "@raft2kube/csi/drivers/nfs/mount-options.ts";
import { fillSubDir, requireSubDir } from "@raft2kube/csi/drivers/nfs/sub-dir.ts";
import { idOf, keyOf, parseId } from "@raft2kube/csi/drivers/nfs/volume-id.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { mustEqual } from "../must.ts";
import { mustThrow } from "./driver.ts";

check("an id has server, share and record; any other text is the id of nothing", async () => {
  const key = keyOf("v");
  for (const server of ["nfs.example", "10.0.0.1", "fd00::1"]) {
    const parts = { share: { server, path: "/exports/a" }, key };
    mustEqual(parseId(idOf(parts)), parts, {
      when: `the id of a volume on ${server}, read again`,
      why: "DeleteVolume gets the id and nothing else: the driver has no list of its volumes",
    });
  }
  const foreign = [
    "",
    "#",
    `a#b#${key}`,
    `a#/b#${key}#`,
    `a#/b#${key.slice(1)}`,
    `a#/../b#${key}`,
    `a b#/b#${key}`,
    "a#/b#../../x",
    "__proto__",
  ];
  for (const id of foreign) {
    let happened: unknown;
    try {
      happened = parseId(id);
    } catch (thrown) {
      happened = `${String(thrown)}`;
    }
    mustEqual(happened, undefined, {
      when: `the parts of ${JSON.stringify(id)}`,
      why: "an id comes from outside: a key with a slash would be a path, and .. leaves it",
    });
  }
  const share = { server: "nfs.example", path: `/${"x".repeat(120)}` };
  await mustThrow(() => idOf({ share, key }), Status.INVALID_ARGUMENT, {
    when: "an id of more than 128 bytes",
    why: "the specification bounds strings: a caller may cut or refuse it, and the volume is lost",
  });
});

const NAMES = {
  "csi.storage.k8s.io/pvc/name": "data",
  "csi.storage.k8s.io/pvc/namespace": "shop",
  "csi.storage.k8s.io/pv/name": "pv-1",
};

check("subDir: the names of claim and volume are filled in, and nothing else", async () => {
  const why = "the class's author chooses the directories, the claims' authors choose the names";
  const template = "${pvc.metadata.namespace}/${pvc.metadata.name}-${pv.metadata.name}";
  mustEqual(fillSubDir(template, NAMES), "shop/data-pv-1", { when: template, why });
  mustEqual(fillSubDir("plain", {}), "plain", { when: "a template without names", why });
  const refused: readonly (readonly [string, Record<string, string>])[] = [
    ["${pvc.metadata.name}", {}],
    ["${node.metadata.name}", NAMES],
    ["${pvc.metadata.name", NAMES],
    ["${pvc.metadata.name}", { "csi.storage.k8s.io/pvc/name": "../other" }],
  ];
  for (const [text, parameters] of refused) {
    const given = JSON.stringify(parameters);
    await mustThrow(() => fillSubDir(text, parameters), Status.INVALID_ARGUMENT, {
      when: `${text} with ${given}`,
      why: "a name that stays in the path, or that brings a slash, is another claim's directory",
    });
  }
});

check("subDir: no path leads out of the share, or into the driver's own directory", async () => {
  const why = "the path is joined with the share's root, by a process that is root";
  for (const [given, plain] of [
    ["a", "a"],
    ["a//b/", "a/b"],
    ["..a/b..", "..a/b.."],
  ] as const) {
    mustEqual(requireSubDir("subDir", given), plain, { when: given, why });
  }
  const deep = Array.from({ length: 17 }, () => "d").join("/");
  const refused = [
    "",
    "/",
    "..",
    "../x",
    "a/../../x",
    "a/./b",
    "a\0b",
    "a\nb",
    "x".repeat(256),
    deep,
    ".r2k-csi",
    ".r2k-csi/volumes",
  ];
  for (const text of refused) {
    await mustThrow(() => requireSubDir("subDir", text), Status.INVALID_ARGUMENT, {
      when: JSON.stringify(text.slice(0, 40)),
      why,
    });
  }
});

check("the driver's own mounts give up after a bounded time", () => {
  const options = ["hard", "rsize=8192", "timeo=600", "lock", "noac"];
  const own = ownMountOptions({ options, versions: ["4.2"], attributes: READ_ONLY });
  const has = (option: string) => own.options.includes(option);
  judge(has("soft") && !has("hard"), {
    when: "a class with the option hard; the driver's own mount of the share",
    expected: "soft, and not hard",
    happened: own.options.join(","),
    why: "a hard mount of a server that is away waits for ever (nfs(5)); so would CreateVolume",
  });
  const other = ownMountOptions({ options: ["softerr"], versions: ["4.2"], attributes: 0 }).options;
  judge(other.includes("soft") && !other.includes("softerr"), {
    when: "a class with the option softerr",
    expected: "soft, and not softerr",
    happened: other.join(","),
    why: "one of the two holds: a call fails with EIO or with ETIMEDOUT (nfs(5))",
  });
  const numbers = own.options.filter((option) => /^(timeo|retrans)=/.test(option));
  judge(numbers.length === 2 && !has("timeo=600"), {
    when: "a class with timeo=600",
    expected: "one timeo and one retrans, the driver's",
    happened: own.options.join(","),
    why: "soft alone bounds nothing: timeo times retrans is the time",
  });
  judge(has("nolock") && !has("lock"), {
    when: "a class with the option lock",
    expected: "nolock",
    happened: own.options.join(","),
    why: "NFS 3 locks need rpc.statd on the node; the driver's own mount locks nothing",
  });
  judge(has("rsize=8192") && has("noac"), {
    when: "a class with rsize=8192,noac",
    expected: "both are kept",
    happened: own.options.join(","),
    why: "they are what its server needs",
  });
  mustEqual([own.attributes, own.versions], [0, ["4.2"]], {
    when: "a class whose volumes are read-only, of NFS 4.2",
    why: "the driver makes directories in the share; the version is the class's",
  });
});
