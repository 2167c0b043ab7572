import { startApiserverOnEtcd } from "./testing/apiserver/own-apiserver.ts";
const api = await startApiserverOnEtcd();
console.log(await api.kubeconfigFor("admin", ["system:masters"]));
setInterval(() => {}, 1000);
