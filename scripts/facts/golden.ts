/** Upstream's golden files: one object of every kind in JSON and protobuf. For tests. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { factsOf } from "../../api/facts.ts";
import { PACKAGES, STAGING_VERSION } from "./packages.ts";

export interface Golden {
  readonly name: string;
  readonly schema: string;
  readonly json: unknown;
  readonly protobuf: Buffer;
}

const COMMITTED = join(import.meta.dirname, "../../api/codec/testdata");

/** The directory of all of them in Go's module cache; undefined when it is not there. */
export function cachedGoldens(): string | undefined {
  const workspace = process.env.GOPATH ?? join(homedir(), "go");
  const root = process.env.GOMODCACHE ?? join(workspace, "pkg/mod");
  const directory = join(root, `k8s.io/api@${STAGING_VERSION}/testdata/HEAD`);
  return existsSync(directory) ? directory : undefined;
}

/** `networking.k8s.io.v1.Ingress` is our `networking/v1.Ingress`; meta's kinds lie in core. */
function schemaOf(name: string): string | undefined {
  for (const { name: packageName, group } of PACKAGES) {
    const version = packageName.split("/")[1]!;
    const prefix = `${group === "" ? "core" : group}.${version}.`;
    if (!name.startsWith(prefix)) continue;
    const kind = name.slice(prefix.length);
    if (factsOf(packageName).types[kind]?.fields !== undefined) return `${packageName}.${kind}`;
    if (factsOf("meta/v1").types[kind]?.fields !== undefined) return `meta/v1.${kind}`;
  }
  return undefined;
}

/** The files of kinds that we know, from a directory. */
export function goldens(directory: string = COMMITTED): Golden[] {
  return readdirSync(directory)
    .filter((each) => each.endsWith(".json"))
    .flatMap((file) => {
      const name = file.slice(0, -".json".length);
      const schema = schemaOf(name);
      if (schema === undefined) return [];
      return [
        {
          name,
          schema,
          json: JSON.parse(readFileSync(join(directory, file), "utf8")) as unknown,
          protobuf: readFileSync(join(directory, `${name}.pb`)),
        },
      ];
    });
}
