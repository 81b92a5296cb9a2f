# PID 1 of the emulated machine: pure cgroup v2, a writable /tmp, the job from the second disk, then power off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm /dev/pts
mount -t tmpfs shm /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs tmp /tmp
chmod 1777 /tmp
mount -t tmpfs run /run
mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
echo '+cpu +memory +pids +cpuset +io' >/sys/fs/cgroup/cgroup.subtree_control
# The first quota switches kernel code at run time, and the last one back. Under multi-threaded emulation newer kernels
# can die of that, so one group with a quota stays for good.
mkdir /sys/fs/cgroup/keep
echo '100000 100000' >/sys/fs/cgroup/keep/cpu.max
ip link set lo up
mkdir /tmp/job /tmp/root
tar -xf /dev/vdb -C /tmp/job
# the containers' root file system is the machine's own
mount --bind / /tmp/root
sh /tmp/job/run </dev/null 2>&1
echo "lab-end $?"
echo o >/proc/sysrq-trigger
while :; do sleep 1; done
