import type { PolicyRule, RoleBinding } from "@raft2kube/api/gen/rbac/v1.ts";
import type { KubeObject, RequestUser } from "@raft2kube/api/kind.ts";
import { Groups } from "@raft2kube/std/groups.ts";
import { parseServiceAccount } from "../../authn/identities.ts";
import type { CacheEvent } from "../../cache/event.ts";
import type { Resources } from "../../resource/resources.ts";

const GROUP_VERSION = "rbac.authorization.k8s.io/v1";

/** A role granted to a subject, and the namespace in which the binding grants it. */
interface Grant {
  binding: string;
  /** "" for the whole cluster. */
  namespace: string;
  /** Key of the role in `#rules`. */
  role: string;
  roleName: string;
  /** Keys of `#bindings`. */
  subjects: readonly string[];
}

interface Role extends KubeObject {
  rules?: PolicyRule[] | null;
}

/** A rule that holds for a user, and the words that explain why. */
export type HeldRule = { rule: PolicyRule; reason(): string };

/**
 * Roles and bindings as the store has them, indexed by subject: a request reads only the grants of
 * its own user and groups. Kept current by the watch caches.
 */
export class RoleIndex {
  readonly #rules = new Map<string, readonly PolicyRule[]>();
  /** Grants by the keys of their bindings. */
  readonly #grants = new Map<string, Grant>();
  /**
   * Keys of bindings by namespace and subject (`default/u:alice`, `/g:system:masters`): an admin of
   * a namespace may bind roles to anyone, any number of times.
   */
  readonly #bindings = new Groups();
  readonly #stops: (() => void)[] = [];

  /** Follows the four resources; resolves once all have been read. */
  static async follow(resources: Resources): Promise<RoleIndex> {
    const index = new RoleIndex();
    for (const plural of ["roles", "clusterroles"]) {
      const cache = await resources.of(GROUP_VERSION, plural).cache();
      index.#stops.push(cache.subscribe((event) => index.#takeRole(plural, event)));
    }
    for (const plural of ["rolebindings", "clusterrolebindings"]) {
      const cache = await resources.of(GROUP_VERSION, plural).cache();
      index.#stops.push(cache.subscribe((event) => index.#takeBinding(event)));
    }
    return index;
  }

  close(): void {
    for (const stop of this.#stops) stop();
  }

  #takeRole(plural: string, event: CacheEvent): void {
    const { namespace, name } = event.entry;
    const key = roleKey(plural === "roles" ? "Role" : "ClusterRole", namespace, name);
    if (event.type === "DELETED") this.#rules.delete(key);
    else this.#rules.set(key, event.entry.object<Role>().rules ?? []);
  }

  #takeBinding(event: CacheEvent): void {
    const { key, namespace, name } = event.entry;
    for (const subject of this.#grants.get(key)?.subjects ?? []) {
      this.#bindings.delete(subject, key);
    }
    this.#grants.delete(key);
    if (event.type === "DELETED") return;
    const binding = event.entry.object<KubeObject & RoleBinding>();
    const { kind, name: roleName } = binding.roleRef;
    const subjects = (binding.subjects ?? []).map(
      (each) => `${namespace}/${subjectKey(each, namespace)}`,
    );
    const role = roleKey(kind, namespace, roleName);
    this.#grants.set(key, { binding: name, namespace, role, roleName, subjects });
    for (const subject of subjects) this.#bindings.add(subject, key);
  }

  /**
   * Every rule that holds for `user` in `namespace` ("": only what holds for the whole cluster),
   * those for the whole cluster first, as upstream looks for them, and those of a role once;
   * undefined for each binding: an admin may make any number that add no rule.
   */
  *rulesFor(user: RequestUser, namespace: string): Generator<HeldRule | undefined> {
    yield* this.#rulesIn(user, "");
    if (namespace !== "") yield* this.#rulesIn(user, namespace);
  }

  *#rulesIn(user: RequestUser, namespace: string): Generator<HeldRule | undefined> {
    const subjects = [`u:${user.name}`, ...user.groups.map((group) => `g:${group}`)];
    const seen = new Set<string>();
    for (const subject of subjects) {
      for (const key of this.#bindings.of(`${namespace}/${subject}`)) {
        const grant = this.#grants.get(key)!;
        yield undefined;
        // A question about access may name a namespace with a slash in it.
        if (grant.namespace !== namespace || seen.has(grant.role)) continue;
        seen.add(grant.role);
        for (const rule of this.#rules.get(grant.role) ?? []) {
          yield { rule, reason: () => explain(grant, subject) };
        }
      }
    }
  }

  /**
   * The rules of a role that a binding in `namespace` refers to; undefined when there is no such
   * role.
   */
  rulesOfRole(kind: string, namespace: string, name: string): readonly PolicyRule[] | undefined {
    return this.#rules.get(roleKey(kind, namespace, name));
  }
}

function roleKey(kind: string, namespace: string, name: string): string {
  return kind === "Role" ? `Role/${namespace}/${name}` : `ClusterRole/${name}`;
}

function subjectKey(
  subject: { kind: string; name: string; namespace?: string },
  namespace: string,
): string {
  if (subject.kind === "Group") return `g:${subject.name}`;
  if (subject.kind !== "ServiceAccount") return `u:${subject.name}`;
  return `u:system:serviceaccount:${subject.namespace || namespace}:${subject.name}`;
}

function explain(grant: Grant, subject: string): string {
  const kind = grant.role.startsWith("Role/") ? "Role" : "ClusterRole";
  const binding =
    grant.namespace === ""
      ? `ClusterRoleBinding ${JSON.stringify(grant.binding)}`
      : `RoleBinding ${JSON.stringify(`${grant.binding}/${grant.namespace}`)}`;
  const name = subject.slice(2);
  const account = parseServiceAccount(name);
  const described = subject.startsWith("g:")
    ? `Group ${JSON.stringify(name)}`
    : account
      ? `ServiceAccount ${JSON.stringify(`${account.name}/${account.namespace}`)}`
      : `User ${JSON.stringify(name)}`;
  return `RBAC: allowed by ${binding} of ${kind} ${JSON.stringify(grant.roleName)} to ${described}`;
}
