"""A softphone of a few lines on Debian's liblinphone, for `npm run test:app`: registers, prints what its calls do, and obeys its standard input.

Arguments: a JSON object with home, identity, proxy, user, password, realm, uuid and either "push" (the library is given provider, param and
prid and writes the Contact itself) or "contact" (the app writes the parameters of its Contact).
"""

import ctypes
import json
import os
import select
import sys
import time

WANTED = json.loads(sys.argv[1])
# The library keeps its files there.
os.environ["HOME"] = WANTED["home"]

LIB = ctypes.CDLL("liblinphone.so.10")
LIST = ctypes.CDLL("libbctoolbox.so.1")
POINTER = ctypes.c_void_p


def call(lib, name, *args, returns=POINTER):
    function = getattr(lib, name)
    function.restype = returns
    # Pointers and texts are wider than the int that ctypes would take them for.
    of = [POINTER(a) if isinstance(a, int) and a > 0xFFFF else a.encode() if isinstance(a, str) else a for a in args]
    return function(*of)


def lin(name, *args, returns=POINTER):
    return call(LIB, "linphone_" + name, *args, returns=returns)


def say(*words):
    print(*words, flush=True)


def started():
    with open(os.path.join(WANTED["home"], "rc"), "w", encoding="utf-8") as file:
        file.write(
            "[net]\nenable_ipv6=0\nauto_net_state_mon=0\n"
            "[sip]\nsip_port=-1\nsip_tcp_port=-1\nsip_tls_port=-1\nguess_hostname=0\n"
            f"[misc]\nuuid={WANTED['uuid']}\n[rtp]\naudio_rtp_port=-1\n"
        )
    factory = lin("factory_get")
    core = lin("factory_create_core_3", factory, os.path.join(WANTED["home"], "rc"), None, None)
    lin("core_set_user_agent", core, "liblinphone-program", lin("core_get_version", returns=ctypes.c_char_p).decode())
    push = WANTED.get("push")
    if push:
        config = lin("core_get_push_notification_config", core)
        for key in ("provider", "param", "prid"):
            lin("push_notification_config_set_" + key, config, push[key])
        lin("core_set_push_notification_enabled", core, 1)
    lin("core_start", core)
    # For whatever realm the PBX asks: an Asterisk calls its own "asterisk".
    auth = lin("factory_create_auth_info", factory, WANTED["user"], None, WANTED["password"], None, None, WANTED["realm"])
    lin("core_add_auth_info", core, auth)
    params = lin("core_create_account_params", core)
    lin("account_params_set_identity_address", params, lin("factory_create_address", factory, WANTED["identity"]))
    lin("account_params_set_server_address", params, lin("factory_create_address", factory, WANTED["proxy"]))
    lin("account_params_set_outbound_proxy_enabled", params, 1)
    lin("account_params_set_register_enabled", params, 1)
    lin("account_params_set_push_notification_allowed", params, 1 if push else 0)
    if "contact" in WANTED:
        lin("account_params_set_contact_uri_parameters", params, WANTED["contact"])
    account = lin("core_create_account", core, params)
    lin("core_add_account", core, account)
    return core, account


def calls_of(core):
    found = []
    item = lin("core_get_calls", core)
    while item:
        found.append(call(LIST, "bctbx_list_get_data", item))
        item = call(LIST, "bctbx_list_next", item)
    return found


def obey(word, core, account):
    """Returns whether it goes on."""
    if word == "answer":
        for one in calls_of(core):
            if lin("call_get_state", one, returns=ctypes.c_int) == 1:
                lin("call_accept", one)
                break
    elif word == "logout":
        params = lin("account_params_clone", lin("account_get_params", account))
        lin("account_params_set_register_enabled", params, 0)
        lin("account_set_params", account, params)
    elif word == "missed":
        say("missed", lin("core_get_missed_calls_count", core, returns=ctypes.c_int))
    elif word == "quit":
        return False
    return True


def main():
    core, account = started()
    states, numbers, registered, lasts = {}, {}, None, True
    while lasts:
        lin("core_iterate", core, returns=None)
        now = lin("account_get_state", account, returns=ctypes.c_int)
        if now != registered:
            registered = now
            say("registration", now)
        there = {one: lin("call_get_state", one, returns=ctypes.c_int) for one in calls_of(core)}
        for one, state in there.items():
            if one not in numbers:
                numbers[one] = len(numbers) + 1
            if states.get(one) != state:
                say("call", numbers[one], state)
        for one in states:
            if one not in there:
                say("call", numbers.pop(one), 19)
        states = there
        while lasts and select.select([sys.stdin], [], [], 0)[0]:
            line = sys.stdin.readline()
            # The harness is gone.
            lasts = line != "" and obey(line.strip(), core, account)
        time.sleep(0.02)
    lin("core_stop", core, returns=None)


main()
