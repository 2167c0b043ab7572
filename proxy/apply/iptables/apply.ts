import { findIptables, type Iptables } from "@raft2kube/linux/iptables.ts";
import type { ServicePort } from "../../plan/model.ts";
import { FrontendOwners } from "../frontend-owners.ts";
import { externalReservation } from "../external-reservation.ts";
import type { Mode, Rules, RulesOptions } from "../rules.ts";
import { baseRules, LAYOUT } from "./base.ts";
import { type Fragment, renderPort } from "./fragment.ts";
import { TablesState } from "./state.ts";
import { hasLayout, portsAtOnce, removeLayout, saveTables } from "./tables.ts";

/** Makes the rules of kube-proxy's iptables mode. */
function iptablesRules(options: RulesOptions): Rules {
  const { clusterCidr, nodePortAddresses, log } = options;
  let owners = new FrontendOwners(() => false);
  let state = new TablesState(LAYOUT, baseRules(nodePortAddresses));
  let programs: Iptables | undefined;
  const found = async () => {
    programs ??= await findIptables();
    return programs;
  };
  const render = (ports: ReadonlyMap<string, ServicePort | undefined>) =>
    new Map([...ports].map(([key, port]) => [key, port && renderPort(port, clusterCidr)]));
  const rendered = async (ports: ReadonlyMap<string, ServicePort | undefined>) => {
    const fragments = new Map<string, Fragment>();
    for (const [key, fragment] of render(ports)) if (fragment) fragments.set(key, fragment);
    return fragments;
  };
  return {
    async rebuild(ports, apiServers) {
      const tools = await found();
      log.debug("iptables", { kind: tools.kind });
      owners = new FrontendOwners(externalReservation(apiServers, clusterCidr));
      state = new TablesState(LAYOUT, baseRules(nodePortAddresses), portsAtOnce(tools));
      owners.change(new Map(ports.map((port) => [port.key, port])));
      const granted = new Map(ports.map(({ key }) => [key, owners.granted(key)]));
      // The programs read the tables while this process renders.
      const [saved, fragments] = await Promise.all([saveTables(tools), rendered(granted)]);
      await tools.restore(state.rebuild(fragments, saved));
    },
    async change(changes) {
      const input = state.change(render(owners.change(changes)));
      if (input !== "") await (await found()).restore(input);
    },
    async intact() {
      return state.isIntact(await saveTables(await found()));
    },
    conflicts: (key) => owners.conflicts(key),
    close: () => Promise.resolve(),
  };
}

/** The mode of chains named as upstream's, in the tables nat and filter. */
export const IPTABLES_MODE: Mode = {
  create: iptablesRules,
  isPresent: () => hasLayout(LAYOUT),
  remove: () => removeLayout(LAYOUT),
};
