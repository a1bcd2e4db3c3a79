/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What vpc-services may not ask of the kernel once it has its sockets: to run a program, to look
 * into a process, to make a socket that is not a local one, and what most attacks on a kernel begin
 * with. Other architectures' calls on this one are refused altogether, or the list could be walked
 * around.
 */
#include "services/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/cleanup.h"

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#else
#error "add this architecture's AUDIT_ARCH"
#endif

#define LOAD(field)                                                                                \
    (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF_IS(value, yes, no)                                                                      \
    (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define IF_LEAST(value, yes, no)                                                                   \
    (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, value, yes, no)
#define REFUSE (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
#define ALLOW (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static const unsigned refused[] = {
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_pidfd_getfd,
    SYS_unshare,
    SYS_setns,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsmount,
    SYS_fsconfig,
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_swapon,
    SYS_acct,
};

int filter_install(void) {
    struct sock_filter code[2 * ARRAY_SIZE(refused) + 16];
    struct sock_fprog program = {.filter = code};
    unsigned short n = 0;

    code[n++] = LOAD(arch);
    code[n++] = IF_IS(NATIVE, 1, 0);
    code[n++] = REFUSE;
    code[n++] = LOAD(nr);
#ifdef __x86_64__
    code[n++] = IF_LEAST(0x40000000, 0, 1); /* x32: the same calls under other numbers */
    code[n++] = REFUSE;
#endif
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        code[n++] = IF_IS(refused[i], 0, 1);
        code[n++] = REFUSE;
    }
    code[n++] = IF_IS(SYS_socket, 0, 3);
    code[n++] = LOAD(args[0]);
    code[n++] = IF_IS(AF_UNIX, 1, 0);
    code[n++] = REFUSE;
    code[n++] = ALLOW;
    program.len = n;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        return -errno;
    return 0;
}
