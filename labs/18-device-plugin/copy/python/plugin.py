"""A device plugin on grpcio, to copy: python plugin.py DIRECTORY RESOURCE HEALTH_FILE

DIRECTORY is the kubelet's device-plugins folder; HEALTH_FILE names the unhealthy devices.
Needs grpcio-tools, which compiles the .proto file when it is imported.
"""

import os
import sys
import time
from concurrent import futures

import grpc

SOCKET = "python.sock"
IDS = ["py-0", "py-1"]
# How often the files are looked at.
INTERVAL_S = 0.2
# In a copy: the folder of the file that you copied beside this one.
SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../../base/proto/schema")

sys.path.insert(0, SCHEMA)
api, services = grpc.protos_and_services("deviceplugin.proto")


class Plugin(services.DevicePluginServicer):
    def __init__(self, health_file):
        self.health_file = health_file

    def devices(self):
        sick = []
        if os.path.exists(self.health_file):
            with open(self.health_file) as file:
                sick = file.read().split("\n")
        return [api.Device(ID=i, health="Unhealthy" if i in sick else "Healthy") for i in IDS]

    def GetDevicePluginOptions(self, request, context):
        return api.DevicePluginOptions()

    def ListAndWatch(self, request, context):
        sent = None
        while context.is_active():
            devices = self.devices()
            if devices != sent:
                yield api.ListAndWatchResponse(devices=devices)
                sent = devices
            time.sleep(INTERVAL_S)

    def Allocate(self, request, context):
        response = api.AllocateResponse()
        for container in request.container_requests:
            envs = {"PYTHON_DEVICES": ",".join(container.devices_ids)}
            response.container_responses.append(api.ContainerAllocateResponse(envs=envs))
        return response


def register(directory, resource, health_file):
    """Serves first: the kubelet connects back before it answers."""
    path = os.path.join(directory, SOCKET)
    if os.path.exists(path):
        os.remove(path)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    services.add_DevicePluginServicer_to_server(Plugin(health_file), server)
    server.add_insecure_port(f"unix://{path}")
    server.start()
    with grpc.insecure_channel(f"unix://{directory}/kubelet.sock") as channel:
        request = api.RegisterRequest(version="v1beta1", endpoint=SOCKET, resource_name=resource)
        services.RegistrationStub(channel).Register(request, timeout=10)
    return server


def identity_of(path):
    """With the time: a new file may have the number of one that was removed."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_ctime_ns


def main(directory, resource, health_file):
    kubelet = os.path.join(directory, "kubelet.sock")
    registered = server = None
    while True:
        identity = identity_of(kubelet)
        if identity is not None and identity != registered:
            if server is not None:
                server.stop(grace=None)
            try:
                server = register(directory, resource, health_file)
                registered = identity
                print("registered", resource, flush=True)
            except grpc.RpcError as refused:
                print("registration failed:", refused, file=sys.stderr)
        time.sleep(INTERVAL_S)


if __name__ == "__main__":
    main(*sys.argv[1:4])
